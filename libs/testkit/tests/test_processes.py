from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from ultracloud.testkit.processes import ProcessFailedError, started

READY = "print('ready demo 127.0.0.1:1 unix:/x', flush=True)\n"
WAIT = "import signal\nsignal.pause()\n"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_ready_line_gives_the_addresses(tmp_path: Path) -> None:
    with started(python("print('noise')\n" + READY + WAIT), tmp_path / "log") as process:
        assert process.wait_ready() == ("127.0.0.1:1", "unix:/x")
        assert process.is_running
        assert process.rss_bytes() > 1_000_000
    assert not process.is_running


def test_a_process_that_ends_early_shows_its_log(tmp_path: Path) -> None:
    code = "import sys\nsys.exit('no such file: x.toml')"
    with (
        started(python(code), tmp_path / "log") as process,
        pytest.raises(ProcessFailedError, match=r"ended with 1(.|\n)*no such file"),
    ):
        process.wait_ready()


def test_a_process_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with (
        started(python(WAIT), tmp_path / "log") as process,
        pytest.raises(ProcessFailedError, match="no line 'ready"),
    ):
        process.wait_ready(0.05)


def test_terminate_gives_the_exit_code(tmp_path: Path) -> None:
    with started(python(READY + WAIT), tmp_path / "log") as process:
        process.wait_ready()
        assert process.terminate() == -signal.SIGTERM
