"""What the server's refusals mean: RFC 9457 problem details to a failure with its exit code.

Source: RFC 9457; google.rpc.Code for the `code` member.
"""

from __future__ import annotations

import json

from ultracloud.cli.core.failures import CONFLICT, EXIT_OF_STATUS, FAILED, TIMEOUT, Failure
from ultracloud.cli.core.trees import Json, text_at

SENTENCE_LENGTH_MAX = 4000
EXIT_OF_CODE = {"DEADLINE_EXCEEDED": TIMEOUT, "ABORTED": CONFLICT, "ALREADY_EXISTS": CONFLICT}
HINT_OF_STATUS = {
    401: "run `uc login`",
    413: "send less in one request",
    426: "this program is too old for the server",
}

HINT_OF_REASON = {"SESSION_REVOKED": "run `uc login`"}
"""Refusals of rights that a login mends."""


class Refusal(Failure):
    """The server said no.

    Attributes:
        status: HTTP's.
        reason: `NAME_TAKEN`; empty if the server gave none.
    """

    def __init__(
        self,
        sentence: str,
        *,
        status: int,
        reason: str = "",
        hint: str = "",
        request_id: str = "",
        exit_code: int = FAILED,
    ) -> None:
        super().__init__(sentence, hint=hint, request_id=request_id, exit_code=exit_code)
        self.status = status
        self.reason = reason


def refusal(status: int, title: str, content: bytes, request_id: str) -> Refusal:
    """The failure that an answer of 400 or more means, whatever its body is."""
    tree = _tree(content)
    sentence = (
        text_at(tree, "detail")
        or text_at(tree, "error_description")
        or text_at(tree, "title")
        or text_at(tree, "message")
    )
    if not sentence:
        sentence = f"the server answered {status} {title}".rstrip()
    code, reason = text_at(tree, "code"), text_at(tree, "reason") or text_at(tree, "error")
    return Refusal(
        printable(sentence)[:SENTENCE_LENGTH_MAX],
        status=status,
        reason=reason,
        hint=printable(text_at(tree, "hint") or HINT_OF_REASON.get(reason) or HINT_OF_STATUS.get(status, "")),
        request_id=printable(text_at(tree, "request_id") or request_id)[:200],
        exit_code=EXIT_OF_CODE.get(code, EXIT_OF_STATUS.get(status, FAILED)),
    )


def printable(text: str) -> str:
    """Without control characters: what a server says must not move the cursor of a terminal."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)


def _tree(content: bytes) -> Json:
    try:
        tree: Json = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return tree
