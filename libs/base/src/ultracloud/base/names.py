"""Names people give to things, and labels they put on them.

A name is a DNS label (RFC 1123), so a VM's name can be its host name and a bucket's name its host part. It may not look
like an id, because names and ids are accepted in the same places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ultracloud.base.faults import InvalidArgumentError

NAME_LENGTH_MAX = 63
"""RFC 1035 2.3.4: a DNS label has at most 63 octets."""
LABELS_MAX = 64
"""Labels of one object: room for every tool's own, small enough to return with every list."""
LABEL_VALUE_LENGTH_MAX = 255

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?")
_LIKE_AN_ID = re.compile(r"[a-z]+-[0-9a-hjkmnp-tv-z]{26}")


def check_name(name: str, what: str = "name") -> str:
    """Give `name` back if it is a name.

    Raises:
        InvalidArgumentError: It is not; the sentence says which rule it breaks and what is accepted.
    """
    accepted = (
        "accepted: 1 to 63 lower-case letters, digits and hyphens, starting with a letter, not ending in a hyphen"
    )
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError(f"{what} {_shown(name)} is not a name; {accepted}", reason="NAME_INVALID")
    if _LIKE_AN_ID.fullmatch(name):
        raise InvalidArgumentError(
            f"{what} {_shown(name)} looks like an id; choose another name", reason="NAME_INVALID"
        )
    return name


def check_labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Give `labels` back if each key and value is acceptable.

    Raises:
        InvalidArgumentError: Too many, or one that is malformed.
    """
    if len(labels) > LABELS_MAX:
        raise InvalidArgumentError(f"{len(labels)} labels; at most {LABELS_MAX} are accepted", reason="LABELS_INVALID")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            raise InvalidArgumentError(
                f"label {_shown(key)} is malformed; accepted: 1 to 63 of a-z 0-9 . _ / -", reason="LABELS_INVALID"
            )
        if len(value) > LABEL_VALUE_LENGTH_MAX or not value.isprintable():
            raise InvalidArgumentError(
                f"label {_shown(key)} has a value over {LABEL_VALUE_LENGTH_MAX} characters or unprintable",
                reason="LABELS_INVALID",
            )
    return labels


def _shown(text: str) -> str:
    """`text` quoted and cut, with control characters escaped, safe to print in an error."""
    return ascii(text if len(text) <= NAME_LENGTH_MAX + 1 else text[:NAME_LENGTH_MAX] + "...")
