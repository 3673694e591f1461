"""Narrowing: less than its principal may, as a token says it. Pure.

A narrowing is met besides the policy, never instead of it: what it leaves must still be allowed by a binding. Several
narrowings of one token must all be met, so that who adds one can only take away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.paths import plain_path
from ultracloud.base.permissions import check_pattern, covers, generalised

PATTERNS_MAX = 32
"""Patterns of one narrowing: whoever needs more wants a role; the token travels with every request."""
PLACE_LENGTH_MAX = 200
"""Characters of a place: three pairs of kinds and id."""
PATTERNS_SHOWN_MAX = 5

_PLACE = re.compile(r"[a-z]{1,40}/[a-z0-9._-]{1,63}(/[a-z]{1,40}/[a-z0-9._-]{1,63})*")
_FROM_PROJECT = "projects/"


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What is left.

    Attributes:
        place: Path with ids that everything must lie in: from ``organisations/<id>`` on, or from ``projects/<id>`` on,
            since ids of projects are the same everywhere; empty for everywhere.
        permissions: Patterns in three parts, of which one must match; empty for all.
    """

    place: str = ""
    permissions: frozenset[str] = frozenset()


def make_narrowing(place: str = "", permissions: Iterable[str] = ()) -> Narrowing:
    """A narrowing of what people write.

    Raises:
        InvalidArgumentError: `place` is no path, a pattern is none, or there are too many.
    """
    if place and (len(place) > PLACE_LENGTH_MAX or not _PLACE.fullmatch(place)):
        raise InvalidArgumentError(
            f"place {place[:80]!a} is no path; accepted: projects/<id>, organisations/<id>, either followed by "
            "<kinds>/<id> pairs",
            reason="NARROWING_INVALID",
        )
    patterns = frozenset(check_pattern(text) for text in permissions)
    if len(patterns) > PATTERNS_MAX:
        raise InvalidArgumentError(
            f"a token is narrowed to {len(patterns)} permissions; at most {PATTERNS_MAX} are accepted, with * for any "
            "part",
            reason="NARROWING_INVALID",
        )
    return Narrowing(place, patterns)


def leaves(narrowings: Sequence[Narrowing], permission: str, resource: str) -> bool:
    """Whether all of `narrowings` leave `permission` (without ``*``) on the path `resource`."""
    wanted = generalised(permission)
    return all(
        is_within(resource, one.place) and (not one.permissions or not one.permissions.isdisjoint(wanted))
        for one in narrowings
    )


def leaves_pattern(narrowings: Sequence[Narrowing], pattern: str, resource: str) -> bool:
    """Whether they leave all that `pattern` (in three parts) matches, on `resource` and all below it."""
    return all(
        is_within(resource, one.place) and (not one.permissions or covers(one.permissions, pattern))
        for one in narrowings
    )


def is_within(resource: str, place: str) -> bool:
    """Whether `resource` is `place` or lies below it; every resource lies in the empty place."""
    if not place:
        return True
    if _is_below(resource, place):
        return True
    plain = plain_path(resource)
    return plain != resource and _is_below(plain, place)


def _is_below(resource: str, place: str) -> bool:
    if place.startswith(_FROM_PROJECT) and resource.startswith("organisations/"):
        resource = resource.partition("/")[2].partition("/")[2]
    return resource == place or resource.startswith(f"{place}/")


def describe(narrowings: Sequence[Narrowing]) -> str:
    """What is left, in words: ``*.get in projects/project-01...``."""
    return ", and ".join(_described(one) for one in narrowings)


def _described(one: Narrowing) -> str:
    shown = sorted(one.permissions)[:PATTERNS_SHOWN_MAX]
    more = ", ..." if len(one.permissions) > PATTERNS_SHOWN_MAX else ""
    what = f"{', '.join(shown)}{more}" if shown else "all it may"
    return f"{what} in {one.place}" if one.place else what
