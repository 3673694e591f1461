"""What sends a transaction to the store, and what is known of one whose answer was lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from ultracloud.servicekit.store import Committed, Conflict

Commit: TypeAlias = Callable[[Mapping[bytes, int], Mapping[bytes, bytes | None]], Awaitable[Committed | Conflict]]


@dataclass(frozen=True, slots=True)
class Recovered(Committed):
    """It happened, as what is stored shows; others may have written since, over all of it but that.

    So what else it wrote is to be read again, before anybody relies on how that was left.
    """


def is_as_left(done: Committed | Conflict) -> TypeGuard[Committed]:
    """Whether all that a transaction wrote had its version when the answer was made."""
    return isinstance(done, Committed) and not isinstance(done, Recovered)
