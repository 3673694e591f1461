"""Permissions: ``<service>.<kinds>.<verb>``, and the patterns roles are made of.

A pattern is a permission with ``*`` for any part, or one of two short forms: ``prismnet.*`` is ``prismnet.*.*`` (all
of a service) and ``*.get`` is ``*.*.get`` (a verb everywhere); ``*`` alone is everything. Inside, a pattern is always
three parts, so that matching a permission is eight look-ups in a set and never a loop over patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import product

from ultracloud.base.faults import InvalidArgumentError

PERMISSIONS_MAX = 200
"""Patterns of one role: more than all kinds there are, few enough for every service to hold every role."""

_PART = re.compile(r"[a-z][a-z0-9]{0,62}")
_PARTS = 3


def check_pattern(text: str) -> str:
    """Give `text` back in its three-part form.

    Raises:
        InvalidArgumentError: It is no pattern; the sentence says what is accepted.
    """
    parts = text.split(".")
    if text == "*":
        parts = ["*", "*", "*"]
    elif len(parts) == 2 and parts[1] == "*" and parts[0] != "*":  # noqa: PLR2004 - the short form has two parts
        parts = [parts[0], "*", "*"]
    elif len(parts) == 2 and parts[0] == "*" and parts[1] != "*":  # noqa: PLR2004 - the same
        parts = ["*", "*", parts[1]]
    if len(parts) != _PARTS or not all(part == "*" or _PART.fullmatch(part) for part in parts):
        raise InvalidArgumentError(
            f"permission {text[:80]!a} is malformed; accepted: <service>.<kinds>.<verb> such as "
            "prismnet.vpcs.create, with * for any part, or prismnet.*, *.get, *",
            reason="PERMISSION_INVALID",
        )
    return ".".join(parts)


def check_permission(text: str) -> str:
    """Give `text` back if it is one permission, without ``*``.

    Raises:
        InvalidArgumentError: It is not.
    """
    if "*" in text or len(text.split(".")) != _PARTS:
        raise InvalidArgumentError(
            f"permission {text[:80]!a} is malformed; accepted: <service>.<kinds>.<verb> such as prismnet.vpcs.create",
            reason="PERMISSION_INVALID",
        )
    return check_pattern(text)


def patterns(texts: Iterable[str]) -> frozenset[str]:
    """The three-part forms of all `texts`; raises as `check_pattern`."""
    return frozenset(check_pattern(text) for text in texts)


@lru_cache(
    maxsize=4096
)  # permissions are words of our protos, a few hundred; the bound is against hostile Explain calls
def generalised(permission: str) -> tuple[str, ...]:
    """Every pattern that matches `permission`, itself included: 8 of them, or none if it has not three parts."""
    parts = permission.split(".")
    if len(parts) != _PARTS:
        return ()
    return tuple(".".join(choice) for choice in product(*((part, "*") for part in parts)))


def covers(held: frozenset[str], pattern: str) -> bool:
    """Whether one of the patterns `held` matches everything that `pattern` matches (all in three parts)."""
    return not held.isdisjoint(generalised(pattern))


def overlap(left: str, right: str) -> bool:
    """Whether some permission matches both patterns (both in three parts)."""
    return all(
        one == other or "*" in (one, other) for one, other in zip(left.split("."), right.split("."), strict=True)
    )
