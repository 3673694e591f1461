"""What `uc doctor` finds: each finding says what is, and what to do if it is not well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ultracloud.cli.core.ages import render_span
from ultracloud.cli.core.trees import Json

WELL, WORRYING, BROKEN, SKIPPED = "ok", "warning", "failed", "skipped"
EXIT_OF_STATE = {WELL: 0, SKIPPED: 0, WORRYING: 1, BROKEN: 2}
SKEW_S_MAX = 30.0
"""Tokens are refused by machines whose clocks are further apart: `base.tokens.CLOCK_SKEW_S`."""
CERTIFICATE_S_MIN, CERTIFICATE_LEFT_MIN = 7 * 86400.0, 0.25
"""One made for months is to be renewed in its last week; our own live three days and are renewed with a third left."""
SLOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: `gateway`, `clock`, `service prismnet`.
        state: ok, warning, failed or skipped.
        says: What is, one sentence.
        todo: What to do; empty if nothing.
    """

    what: str
    state: str
    says: str
    todo: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """0 if all is well, 1 if something worries, 2 if something is broken."""
    return max((EXIT_OF_STATE[finding.state] for finding in findings), default=0)


def as_document(findings: list[Finding]) -> Json:
    """For programs."""
    checks: list[Json] = [
        {"what": found.what, "state": found.state, "says": found.says, "todo": found.todo} for found in findings
    ]
    return {"ok": exit_code(findings) == 0, "exit_code": exit_code(findings), "checks": checks}


def clock(skew_s: float) -> Finding:
    """Of how far the server's clock is before ours."""
    if abs(skew_s) <= SKEW_S_MAX:
        return Finding("clock", WELL, f"this machine and the gateway are {abs(skew_s):.0f} s apart")
    where = "behind" if skew_s > 0 else "ahead of"
    return Finding(
        "clock",
        BROKEN,
        f"this machine's clock is {render_span(abs(skew_s))} {where} the gateway's; beyond {SKEW_S_MAX:.0f} s "
        "tokens are refused",
        "set the clock: `timedatectl set-ntp true`",
    )


def certificate(left_s: float, life_s: float) -> Finding:
    """Of how long the gateway's certificate is still valid, of the whole time that it was made for."""
    if left_s <= 0:
        return Finding("certificate", BROKEN, "the gateway's certificate has expired", "renew it")
    state = WELL if left_s > min(CERTIFICATE_S_MIN, life_s * CERTIFICATE_LEFT_MIN) else WORRYING
    todo = "" if state == WELL else "renew it: it should have been renewed by now"
    return Finding("certificate", state, f"valid for another {render_span(left_s)}", todo)


def took(what: str, seconds: float, says: str) -> Finding:
    """Something that answered, after a time."""
    if seconds <= SLOW_S:
        return Finding(what, WELL, f"{says} in {seconds * 1000:.0f} ms")
    return Finding(
        what, WORRYING, f"{says}, but only after {seconds:.1f} s", "look at the load of the machine, and at the network"
    )
