"""Speaks to a server's JSON gateway in conversations: a path and JSON in, a status and JSON out.

In both directions a text in angle brackets is bytes, so `"<foo>"` stands for base64 of foo. Of headers only the
revision is shown, and ids that servers choose are not.
"""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

TIMEOUT_S = 10.0
BYTES_FIELDS = frozenset({"key", "value", "range_end", "name"})
CHOSEN_FIELDS = frozenset({"cluster_id", "member_id", "raft_term", "memberID", "hash", "compact_revision"})


class HttpSpeaker:
    """One connection, kept for all requests."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)

    def ask(
        self, method: str, path: str, body: str | bytes | None = None, fields: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """The answer to a request."""
        self._connection.request(method, path, body, fields or {})
        return self._connection.getresponse()

    def say(self, line: str) -> str:
        """`PATH [JSON]`, or `METHOD PATH` of any other method."""
        method, path, said = ("POST", *line.partition(" ")[::2]) if line[0] == "/" else (*line.split(" ", 1), "")
        response = self.ask(method, path, json.dumps(with_bytes(json.loads(said))) if said else None)
        lines = [shown(each) for each in response.read().decode().splitlines()]
        return "\n".join([f"{response.status} {lines[0] if lines else ''}", *lines[1:]])

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def shown(text: str) -> str:
    """One JSON value, for a person."""
    value = json.loads(text)
    if isinstance(value.get("code"), int):
        # etcd says the sentence twice, or once, as its gateway is of one version or another.
        return f"{value['code']} {value['message']}"
    return json.dumps(without_bytes(value), separators=(",", ":"))


def with_bytes(value: Any) -> Any:
    """Texts in angle brackets as base64."""
    if isinstance(value, dict):
        return {name: with_bytes(each) for name, each in value.items()}
    if isinstance(value, list):
        return [with_bytes(each) for each in value]
    if isinstance(value, str) and value.startswith("<"):
        return base64.b64encode(value[1:-1].encode()).decode()
    return value


def without_bytes(value: Any, field: str = "") -> Any:
    """Base64 as texts in angle brackets, and nothing that a server chose."""
    if isinstance(value, dict):
        return {name: without_bytes(each, name) for name, each in value.items() if name not in CHOSEN_FIELDS}
    if isinstance(value, list):
        return [without_bytes(each, field) for each in value]
    if field in BYTES_FIELDS and isinstance(value, str):
        return f"<{base64.b64decode(value).decode()}>"
    return value
