import asyncio
import os
import time
from pathlib import Path

import pytest

from quickstart.errors import CommandError
from quickstart.shell.commands import run


async def test_a_command_gives_what_it_wrote_and_runs_where_told(tmp_path: Path):
    assert await run("pwd", folder=tmp_path) == f"{tmp_path}\n".encode()
    assert await run("printenv", "WORD", environment={**os.environ, "WORD": "said"}) == b"said\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [(("sh", "-c", "echo why >&2; exit 3"), 3, "why"), (("no-such-program",), None, "No such file")],
)
async def test_a_failure_says_status_and_complaint(arguments: tuple[str, ...], status: int | None, said: str):
    with pytest.raises(CommandError, match=said) as caught:
        await run(*arguments)
    assert caught.value.status == status


async def test_a_command_is_killed_at_its_deadline(tmp_path: Path):
    begun = time.monotonic()
    with pytest.raises(CommandError, match=r"still running after 0\.1 s"):
        await run("sh", "-c", f"sleep 0.5; touch {tmp_path}/done & exec sleep 60", timeout_s=0.1)
    assert time.monotonic() - begun < 5


async def test_a_command_is_killed_with_its_caller(tmp_path: Path):
    task = asyncio.create_task(run("sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 60"))
    while not (tmp_path / "pid").exists():  # noqa: ASYNC110 - the shell tells by a file alone
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_gone(int((tmp_path / "pid").read_text()))


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()
