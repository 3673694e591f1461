"""How a command ends: the exit codes, and what a person reads on the way out.

Scripts branch on the exit code, so each means one thing wherever it comes from: a 404 of the server and a context that
does not exist are both "not found".
"""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
DENIED = 4
CONFLICT = 5
TIMEOUT = 6
INTERRUPTED = 130
"""128 + SIGINT, what a shell says of a program that ended by Ctrl-C."""

EXIT_OF_STATUS = {401: DENIED, 403: DENIED, 404: NOT_FOUND, 409: CONFLICT, 412: CONFLICT, 408: TIMEOUT, 504: TIMEOUT}
"""HTTP status -> exit code; every other refusal is FAILED."""


class Failure(Exception):  # noqa: N818 - what a person reads is no "error" of theirs
    """A command ends here.

    Args:
        sentence: What is wrong, with the offending value and what is accepted.
        hint: What to do next; empty if the sentence says it.
        exit_code: One of the codes above.
        request_id: Of the server's answer, for its operator.
    """

    exit_code = FAILED

    def __init__(self, sentence: str, *, hint: str = "", exit_code: int | None = None, request_id: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.request_id = request_id
        if exit_code is not None:
            self.exit_code = exit_code


class UsageFailure(Failure):
    """What was typed, or a file that was given, is wrong; nothing was sent."""

    exit_code = USAGE


class UnreachableFailure(Failure):
    """No answer came; it may help to try again."""


class TimeoutFailure(Failure):
    """What was waited for did not come in time."""

    exit_code = TIMEOUT


def render(failure: Failure) -> str:
    """Lines for stderr: the sentence, then hint and request id where there are."""
    lines = [f"error: {failure.sentence}"]
    if failure.hint:
        lines.append(f"hint: {failure.hint}")
    if failure.request_id:
        lines.append(f"request id: {failure.request_id}")
    return "\n".join(lines)
