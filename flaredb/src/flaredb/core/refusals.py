"""What a caller is told whose transaction what is stored does not let happen; nothing of it was written then."""

from __future__ import annotations

from typing import assert_never

from flaredb.core.commands import Refusal, RefusalReason
from flaredb.core.limits import RANGE_BYTES_MAX, RANGE_KEYS_MAX
from ultracloud.base.faults import FailedPreconditionError

SHOWN_BYTES_MAX = 60
"""Of a key, in a sentence."""


def refused(refusal: Refusal) -> FailedPreconditionError:
    """The fault that says it."""
    match refusal.reason:
        case RefusalReason.RANGE_SIZE:
            said = (
                f"the range from {_shown(refusal.key)} holds more keys than one transaction deletes; accepted: "
                f"{RANGE_KEYS_MAX} keys, {RANGE_BYTES_MAX} bytes of keys"
            )
            hint = "DeleteRange deletes as many at once and says `more`; empty the range with it, then try again."
        case _:
            assert_never(refusal.reason)
    return FailedPreconditionError(said, hint=hint, reason=refusal.reason.value)


def _shown(key: bytes) -> str:
    return ascii(key[:SHOWN_BYTES_MAX])[1:]
