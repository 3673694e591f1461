"""What a caller is told whose transaction what is stored does not let happen; nothing of it was written then."""

from __future__ import annotations

from typing import assert_never

from flaredb.core.commands import Refusal, RefusalReason
from flaredb.core.counters import COUNTER_MAX, COUNTER_MIN
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
        case RefusalReason.NOT_A_COUNTER:
            said = (
                f"the value of {_shown(refusal.key)} is no counter; accepted: an integer of {COUNTER_MIN} to "
                f"{COUNTER_MAX} in ASCII without zeros in front, or no value"
            )
            hint = "Put the number that it should stand at, or delete the key."
        case RefusalReason.COUNTER_OVERFLOW:
            said = f"the counter {_shown(refusal.key)} would leave its range; accepted: {COUNTER_MIN} to {COUNTER_MAX}"
            hint = "Get tells where it stands; Put sets it."
        case _:
            assert_never(refusal.reason)
    return FailedPreconditionError(said, hint=hint, reason=refusal.reason.value)


def _shown(key: bytes) -> str:
    return ascii(key[:SHOWN_BYTES_MAX])[1:]
