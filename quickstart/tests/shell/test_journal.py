import asyncio
import errno
import io
from pathlib import Path

import pytest

from quickstart.errors import CommandError, QuickstartError, StepFailedError
from quickstart.shell.journal import Journal
from quickstart.shell.terminal import FRAMES, Terminal
from ultracloud.base.faults import NotFoundError, PermissionDeniedError


class Screen(io.StringIO):
    """A terminal that remembers."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def journal_of(tmp_path: Path) -> tuple[Journal, io.StringIO]:
    out = io.StringIO()
    return Journal(Terminal(out), tmp_path), out


async def test_a_step_ends_as_a_line_and_a_record(tmp_path: Path):
    journal, out = journal_of(tmp_path)
    async with journal.step("image", "building") as step:
        step.detail = "built in no time"
    await journal.terminal.close()
    assert (journal.steps[0].name, journal.steps[0].ok, journal.steps[0].detail) == ("image", True, "built in no time")
    assert out.getvalue().endswith("s  built in no time\n")


async def test_a_step_may_report_another_time_than_its_own(tmp_path: Path):
    journal, _ = journal_of(tmp_path)
    async with journal.step("http answered", "booting") as step:
        step.seconds = 3.25
    await journal.terminal.close()
    assert journal.steps[0].seconds == 3.25


FAILURES = [
    (QuickstartError("why", remedy="do this"), "why", "do this"),
    (NotFoundError("no such VM", hint="look again"), "NOT_FOUND: no such VM", "look again"),
    (PermissionDeniedError("no"), "PERMISSION_DENIED: no", "x.log"),
    (CommandError(("ip", "link"), 2, "boom"), "ip link: exit status 2: boom", "x.log"),
    (OSError(errno.ENOSPC, "No space left on device", "/state/f"), "No space left on device", "--state DIR"),
    (TimeoutError("after 3 s"), "it took too long after 3 s", "x.log"),
]


@pytest.mark.parametrize(("error", "cause", "remedy"), FAILURES, ids=lambda value: type(value).__name__)
async def test_a_failure_names_step_cause_and_remedy(tmp_path: Path, error: Exception, cause: str, remedy: str):
    journal, out = journal_of(tmp_path)
    with pytest.raises(StepFailedError) as caught:
        async with journal.step("network", "building", "x"):
            raise error
    await journal.terminal.close()
    assert caught.value.step == "network"
    assert cause in caught.value.cause
    assert remedy in caught.value.remedy
    assert "FAILED" in out.getvalue()
    assert not journal.steps[0].ok


async def test_an_interruption_is_no_failure(tmp_path: Path):
    journal, _ = journal_of(tmp_path)
    with pytest.raises(asyncio.CancelledError):
        async with journal.step("network", "building"):
            raise asyncio.CancelledError
    await journal.terminal.close()
    assert journal.steps == []


async def test_a_terminal_shows_what_takes_long_and_wipes_it():
    screen = Screen()
    terminal = Terminal(screen)
    terminal.begin("a", "booting")
    await asyncio.sleep(0.6)
    terminal.finish("a")
    await terminal.close()
    assert any(f"{frame} booting (0 s)" in screen.getvalue() for frame in FRAMES)
    assert screen.getvalue().endswith("\r\x1b[K")


async def test_what_is_quick_does_not_flicker():
    screen = Screen()
    terminal = Terminal(screen)
    terminal.begin("a", "blinking")
    await asyncio.sleep(0.15)
    terminal.finish("a")
    await terminal.close()
    assert "blinking" not in screen.getvalue()


def test_a_reader_that_went_away_does_no_harm():
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    Terminal(Gone()).line("nobody reads this")
