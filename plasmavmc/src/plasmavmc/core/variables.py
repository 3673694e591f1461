"""What a VM's variables may be: names and values that its guest finds in its metadata. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ultracloud.base.faults import InvalidArgumentError

VARIABLES_MAX = 32
"""With the user data, a third of what iam resolves for one resource; each costs an audit record at every start."""
VALUE_BYTES_MAX = 4096
"""What is larger is a file: user data, or a secret's value."""
NAME_LENGTH_MAX = 64
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""POSIX 8.1: what every shell and systemd takes as the name of a variable."""
USER_DATA = ""
"""The name under which the user data is one of a VM's secrets; no variable has it."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One of a VM's variables: a value, or the secret that has it, by name or id; empty where there is none."""

    name: str
    value: str
    secret: str


def check_variables(variables: Iterable[Variable]) -> None:
    """Return if a VM may have these.

    Raises:
        InvalidArgumentError: A name is none or is there twice, a value is too long, or they are too many.
    """
    seen: set[str] = set()
    for each in variables:
        if not _NAME.fullmatch(each.name) or len(each.name) > NAME_LENGTH_MAX:
            raise _invalid(
                f"a variable has the name {each.name[:80]!a}; accepted: letters, digits and '_', no digit first, at "
                f"most {NAME_LENGTH_MAX} characters"
            )
        if each.name in seen:
            raise _invalid(f"variable {each.name} is there twice")
        seen.add(each.name)
        size = len(each.value.encode())
        if size > VALUE_BYTES_MAX:
            raise _invalid(f"{each.name} has {size} bytes; at most {VALUE_BYTES_MAX} are accepted")
        if each.value and each.secret:
            raise _invalid(f"{each.name} has a value and a secret; give one of them")
    if len(seen) > VARIABLES_MAX:
        raise _invalid(f"there are {len(seen)} variables; at most {VARIABLES_MAX} are accepted")


def _invalid(sentence: str) -> InvalidArgumentError:
    return InvalidArgumentError(sentence, reason="VARIABLE_INVALID")
