"""Says on stderr how far a long command is: on a terminal all the time, elsewhere now and then."""

from __future__ import annotations

import sys
import time

from flaredb.errors import MIB

LIVE_S, LOG_S = 0.5, 30.0
"""Between two lines: on a terminal, where each replaces the last, and in a log."""


class Progress:
    """Counts keys and bytes of a command that goes through many.

    Attributes:
        keys: So many.
        size_bytes: Of keys and values.
    """

    def __init__(self, verb: str) -> None:
        self.keys = self.size_bytes = 0
        self._verb = verb
        self._is_live = sys.stderr.isatty()
        self._began_at = self._told_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began_at

    def add(self, keys: int, size_bytes: int, namespace: str) -> None:
        """So many more, of this namespace."""
        self.keys += keys
        self.size_bytes += size_bytes
        now = time.monotonic()
        if now >= self._told_at + (LIVE_S if self._is_live else LOG_S):
            self._told_at = now
            self._say(f"{self.said()}, in {namespace}", "" if self._is_live else "\n")

    def said(self) -> str:
        """How much there was, in words."""
        return f"{self._verb} {self.keys} keys, {self.size_bytes / MIB:.1f} MiB in {self.seconds:.1f} s"

    def end(self) -> None:
        """That was all."""
        self._say(self.said(), "\n")

    def _say(self, line: str, end: str) -> None:
        clear = "\r\x1b[K" if self._is_live else ""
        sys.stderr.write(f"{clear}{line}{end}")
        sys.stderr.flush()
