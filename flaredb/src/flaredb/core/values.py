"""Values of which every write makes several: frozen for the type checker, and not at run time.

A frozen dataclass sets each field by a call of `object.__setattr__`, which is 1 us for five fields and was a tenth of a
put. mypy refuses an assignment to these as it does to frozen ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

ClassT = TypeVar("ClassT")


@dataclass_transform(frozen_default=True, eq_default=True)
def value_class(made: type[ClassT]) -> type[ClassT]:
    """Make a dataclass with slots, equality and a hash of its fields."""
    return dataclass(slots=True, unsafe_hash=True)(made)
