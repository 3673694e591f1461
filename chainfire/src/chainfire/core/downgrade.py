"""To which version an etcd of ours could go back.

Source: etcd 3.5 as observed: one minor version, written with or without its patch.
"""

from __future__ import annotations

import re

from chainfire.errors import DowngradeFormatError, DowngradeTargetError

TARGET = (3, 4)
"""The version before the one whose API is served."""
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+(?:[-+].*)?)?")


def check(version: str) -> None:
    """Refuse every version but the one before.

    Raises:
        DowngradeFormatError: It is none.
        DowngradeTargetError: It is another one.
    """
    parts = _VERSION.fullmatch(version)
    if parts is None:
        raise DowngradeFormatError
    if (int(parts[1]), int(parts[2])) != TARGET:
        raise DowngradeTargetError
