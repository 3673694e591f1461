"""The pages that etcd has on its client port: whether the member is healthy, alive, ready, and which version it is.

`/health` is etcd's old check, of all at once. `/livez` and `/readyz` are made of named checks, each also a page of its
own: `/livez` fails when a restart would help, `/readyz` when other members should be asked instead.

Source: etcd 3.5.16 and 3.6 (paths, sentences and status codes).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TypeAlias
from urllib.parse import parse_qs

from chainfire.core.commands import Alarm
from chainfire.shell.gateway import Gateway
from chainfire.shell.maintenance import ETCD_VERSION
from chainfire.shell.node import Node
from ultracloud.base.faults import Fault
from ultracloud.wire import HttpEndpoint, HttpReply, HttpRequest, InnerCalls

CLUSTER_VERSION = "3.5.0"
"""What members agree on: the API, without the number of its last repairs."""
OK, UNAVAILABLE, NOT_ALLOWED = 200, 503, 405
NOSNIFF = {"x-content-type-options": "nosniff"}

Check: TypeAlias = Callable[[], Awaitable[str]]
"""Gives why it failed; nothing if it did not."""


class Health:
    """The checks of a member, and how they went.

    Attributes:
        successes: Of `/health`; `failures` the same.
        results: How often each check of `/livez` and `/readyz` went how: by page, name and status.
        latest: Whether each check went well when it was last made.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.successes = 0
        self.failures = 0
        self.results: dict[tuple[str, str, str], int] = {}
        self.latest: dict[tuple[str, str], bool] = {}
        alive: dict[str, Check] = {"serializable_read": self._nothing_wrong}
        ready: dict[str, Check] = {
            "data_corruption": self._corruption,
            "serializable_read": self._nothing_wrong,
            "linearizable_read": self._unreadable,
        }
        # etcd 3.6 has these two besides; 3.5's list of checks stays 3.5's.
        later: dict[str, Check] = {"read_index": self._unreadable, "non_learner": self._learning}
        self.endpoints: dict[str, HttpEndpoint] = {
            "/health": self._health,
            "/livez": partial(self._probe, "livez", alive),
            "/readyz": partial(self._probe, "readyz", ready),
            "/version": _version,
        }
        for page, checks in (("livez", alive), ("readyz", {**ready, **later})):
            for name, check in checks.items():
                self.endpoints[f"/{page}/{name}"] = partial(self._probe, page, {name: check})

    async def _health(self, request: HttpRequest) -> HttpReply:
        """Etcd's old check: alarms, the leader, a read."""
        if request.method != "GET":
            return _not_allowed()
        asked = _query(request)
        is_local = asked.get("serializable", [""])[0] == "true"
        reason = self._alarm(asked.get("exclude", ())) or await self._unhealthy(is_local=is_local)
        self.successes += not reason
        self.failures += bool(reason)
        body = json.dumps({"health": "false" if reason else "true", "reason": reason}, separators=(",", ":"))
        if reason:
            return HttpReply(UNAVAILABLE, f"{body}\n".encode(), fields=NOSNIFF)
        return HttpReply(OK, body.encode())

    async def _probe(self, page: str, checks: Mapping[str, Check], request: HttpRequest) -> HttpReply:
        """Make checks, and say how they went."""
        if request.method != "GET":
            return _not_allowed()
        asked = _query(request)
        excluded = asked.get("exclude", ()) if request.path == f"/{page}" else ()
        lines, has_failed = [], False
        for name, check in checks.items():
            if name not in excluded:
                reason = await check()
                lines.append(f"[-]{name} failed: {reason}\n" if reason else f"[+]{name} ok\n")
                has_failed = has_failed or bool(reason)
                self._note(page, name, is_well=not reason)
        if has_failed:
            return HttpReply(UNAVAILABLE, "".join([*lines, "\n"]).encode(), fields=NOSNIFF)
        told = lines if "verbose" in asked else []
        return HttpReply(OK, "".join([*told, "ok\n"]).encode(), fields=NOSNIFF)

    def _note(self, page: str, name: str, *, is_well: bool) -> None:
        key = (page, name, "success" if is_well else "error")
        self.results[key] = self.results.get(key, 0) + 1
        self.latest[page, name] = is_well

    def _alarm(self, excluded: Iterable[str]) -> str:
        raised = [alarm.name for _, alarm in sorted(self._node.machine.alarms) if alarm.name not in excluded]
        return f"ALARM {raised[0]}" if raised else ""

    async def _unhealthy(self, *, is_local: bool) -> str:
        if is_local:
            return ""
        if not self._node.has_leader:
            return "RAFT NO LEADER"
        reason = await self._unreadable()
        return f"RANGE ERROR:{reason}" if reason else ""

    async def _corruption(self) -> str:
        is_raised = any(alarm is Alarm.CORRUPT for _, alarm in self._node.machine.alarms)
        return "alarm activated: CORRUPT" if is_raised else ""

    async def _learning(self) -> str:
        return "the member is a learner" if self._node.is_learner else ""

    async def _nothing_wrong(self) -> str:
        """Reading what is here: it is in memory, so whoever can be asked can do it."""
        return ""

    async def _unreadable(self) -> str:
        """Reading what everybody agrees on."""
        try:
            confirmed = self._node.confirm()
            if confirmed is not None:
                await confirmed
        except Fault as fault:
            return fault.public
        return ""


def endpoints_of(health: Health, message_bytes_max: int, calls: InnerCalls) -> dict[str, HttpEndpoint]:
    """Everything that is answered to plain HTTP, besides what all services have."""
    return {**health.endpoints, "/v3/": Gateway(calls, message_bytes_max)}


async def _version(request: HttpRequest) -> HttpReply:
    if request.method != "GET":
        return _not_allowed()
    versions = {"etcdserver": ETCD_VERSION, "etcdcluster": CLUSTER_VERSION}
    return HttpReply(OK, json.dumps(versions, separators=(",", ":")).encode(), "application/json")


def _query(request: HttpRequest) -> dict[str, list[str]]:
    return parse_qs(request.query, keep_blank_values=True, errors="replace")


def _not_allowed() -> HttpReply:
    return HttpReply(NOT_ALLOWED, b"Method Not Allowed\n", fields={"allow": "GET", **NOSNIFF})
