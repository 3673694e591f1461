"""Whether two versions of the API are too far apart.

Source: Semantic Versioning 2.0.0; Kubernetes' version skew policy, which allows one minor version.
"""

from __future__ import annotations

import re

MINORS_APART_MAX = 1
_VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})(?:\.\d{1,6})?(?:[-+].{0,80})?")


def skew(ours: str, theirs: str) -> str:
    """What is wrong with this pair, one sentence; empty if they go together or one is no version."""
    mine, other = _VERSION.fullmatch(ours), _VERSION.fullmatch(theirs)
    if mine is None or other is None:
        return ""
    (major, minor), (their_major, their_minor) = (tuple(map(int, found.groups()[:2])) for found in (mine, other))
    if major != their_major:
        return f"this program speaks version {ours} of the API and the server {theirs}: they do not go together"
    apart = abs(minor - their_minor)
    if apart <= MINORS_APART_MAX:
        return ""
    older = "this program" if minor < their_minor else "the server"
    return f"{older} is {apart} minor versions behind ({ours} here, {theirs} there); update it"
