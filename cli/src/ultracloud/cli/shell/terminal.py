"""What a person sees: colours where they are wanted, and progress on stderr where somebody looks.

Source: no-color.org; the conventions of clig.dev.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Self

RED, GREEN, YELLOW, BOLD = "31", "32", "33", "1"
ERASE_LINE = "\r\x1b[K"


def coloured(*, is_terminal: bool) -> bool:
    """Whether to colour: NO_COLOR says no, whatever its value; a terminal that is dumb too."""
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str) -> str:
    """`text` in a colour for stdout, if it is a terminal that wants colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if coloured(is_terminal=sys.stdout.isatty()) else text


def paint_error(text: str, colour: str) -> str:
    """The same for stderr."""
    return f"\x1b[{colour}m{text}\x1b[0m" if coloured(is_terminal=sys.stderr.isatty()) else text


class Progress:
    """One line of stderr that says what is waited for; nothing where nobody looks.

    Args:
        quiet: Say nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = ""
        self._on = not quiet and sys.stderr.isatty()

    def say(self, text: str) -> None:
        """Replace the line."""
        if self._on and text != self._shown:
            columns = _columns() - 1
            sys.stderr.write(ERASE_LINE + text[:columns])
            sys.stderr.flush()
            self._shown = text

    def clear(self) -> None:
        """Remove the line, so that what is printed next begins at the margin."""
        if self._shown:
            sys.stderr.write(ERASE_LINE)
            sys.stderr.flush()
            self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.clear()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return 80
