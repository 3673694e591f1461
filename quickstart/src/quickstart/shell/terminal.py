"""What a person sees while the quickstart runs: a line per step, and on a terminal what is going on right now."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from contextlib import suppress
from typing import TextIO

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAME_S = 0.1
QUIET_S = 0.3
"""What is done sooner needs no progress line: it would only flicker."""
REMINDER_S = 5.0
"""Without a terminal a line now and then says that something is still going on."""
GREEN, RED, DIM, BOLD, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"
_CLEAR_LINE = "\r\x1b[K"


class Terminal:
    """Writes lines, and keeps one line of progress below them where the output is a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_live = out.isatty()
        # Plain hyphens and words where the output cannot take the signs.
        self._is_unicode = (out.encoding or "").lower().replace("-", "") == "utf8"
        self._doing: dict[object, tuple[str, float]] = {}
        self._task: asyncio.Task[None] | None = None

    def line(self, text: str = "") -> None:
        """Write a line above the progress."""
        self._write((_CLEAR_LINE if self._is_live else "") + text + "\n")

    def heading(self, text: str) -> None:
        """Write the title of a group of steps."""
        self.line(self._styled(BOLD, text))

    def result(self, sentence: str, seconds: float, *, ok: bool) -> None:
        """Write how a step went."""
        mark = ("✓" if ok else "✗") if self._is_unicode else ("ok" if ok else "FAILED")
        took = self._styled(DIM, f"{seconds:7.2f} s")
        self.line(f"  {self._styled(GREEN if ok else RED, mark)} {took}  {sentence}")

    def begin(self, key: object, text: str) -> None:
        """Show that something is going on; told again under the same key, it replaces the text."""
        started = self._doing[key][1] if key in self._doing else time.monotonic()
        self._doing[key] = (text, started)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._animate(), name="progress")

    def finish(self, key: object) -> None:
        """It is over."""
        self._doing.pop(key, None)

    async def close(self) -> None:
        """Take the progress line away."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._is_live:
            self._write(_CLEAR_LINE)

    async def _animate(self) -> None:
        frame, reminded_at = 0, time.monotonic()
        while True:
            await asyncio.sleep(FRAME_S if self._is_live else REMINDER_S / 5)
            frame += 1
            now = time.monotonic()
            if self._is_live:
                self._write(_CLEAR_LINE + self._progress(frame, now))
            elif now - reminded_at >= REMINDER_S and (text := self._progress_text(now)):
                reminded_at = now
                self._write(f"  ... {text}\n")

    def _progress(self, frame: int, now: float) -> str:
        """The line of progress; empty while nothing has taken long."""
        text = self._progress_text(now)
        if not text:
            return ""
        sign = FRAMES[frame % len(FRAMES)] if self._is_unicode else "|/-\\"[frame % 4]
        width = shutil.get_terminal_size((100, 24)).columns
        return self._styled(DIM, f"  {sign} {text}"[: width - 1])

    def _progress_text(self, now: float) -> str:
        """What has been going on for more than a moment, the oldest first."""
        shown = [(text, now - started) for text, started in self._doing.values() if now - started >= QUIET_S]
        return "; ".join(f"{text} ({elapsed:.0f} s)" for text, elapsed in shown)

    def _styled(self, style: str, text: str) -> str:
        return f"{style}{text}{PLAIN}" if self._is_live else text

    def _write(self, text: str) -> None:
        with suppress(BrokenPipeError):
            self._out.write(text)
            self._out.flush()


def standard() -> Terminal:
    """The terminal a person looks at: stderr is left to failures, stdout to `--json`."""
    return Terminal(sys.stdout)
