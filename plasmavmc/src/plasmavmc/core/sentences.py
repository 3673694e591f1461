"""What of an error's text a tenant may read."""

from __future__ import annotations

import re
from pathlib import Path

PATH_SHOWN_MAX = 200
"""Characters of a path that a sentence repeats."""


def shown_path(path: Path) -> str:
    """`path` quoted for a sentence; of a long one its end, which names the file."""
    text = str(path)
    return ascii(text if len(text) <= PATH_SHOWN_MAX else "..." + text[-PATH_SHOWN_MAX:])


def without_paths(message: str, *known: Path) -> str:
    """`message` with every absolute path replaced: the host's folders are not a tenant's business.

    Args:
        message: What a program said.
        known: Paths it was given: with spaces and quotes in them, they could not be told from the words around.
    """
    for path in known:
        message = message.replace(str(path), "(path)")
    return re.sub(r"(?<![\w/])/[^\s'\",;:)]+", "(path)", message)
