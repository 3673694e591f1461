"""Commands of a service besides `serve` and `check-config`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ultracloud.servicekit import lifecycle
from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Settings


async def build(_settings: Settings, _runtime: Runtime) -> None:
    """Nothing is served here."""


def run(does: Callable[[argparse.Namespace], int], *words: str) -> int:
    """Run a service's command `greet`."""

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name")
        parser.set_defaults(run=does)

    return lifecycle.main("demo", Settings, build, words, [lifecycle.Command("greet", "say hello", configure)])


def test_a_command_has_its_arguments_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def greet(arguments: argparse.Namespace) -> int:
        sys.stdout.write(f"hello {arguments.name}\n")
        return 7

    assert run(greet, "greet", "world") == 7
    assert capsys.readouterr().out == "hello world\n"


@pytest.mark.parametrize(("error", "code"), [(StartError("no"), 1), (ConfigError("no"), 2)])
def test_what_a_command_raises_is_one_sentence(
    error: StartError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_arguments: argparse.Namespace) -> int:
        raise error

    assert run(fail, "greet", "world") == code
    assert capsys.readouterr().err == "demo: no\n"


def test_an_interrupted_command_ends_as_a_shell_expects() -> None:
    def interrupt(_arguments: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert run(interrupt, "greet", "world") == 130


def test_it_stands_in_the_help_beside_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(lambda _: 0, "--help")
    said = capsys.readouterr().out
    assert "greet" in said
    assert "say hello" in said
    assert "check-config" in said


ENDLESS = """
import sys
from ultracloud.servicekit import lifecycle
from ultracloud.servicekit.settings import Settings

def go(_):
    while True:
        sys.stdout.write("line\\n")

command = lifecycle.Command("go", "on and on", lambda parser: parser.set_defaults(run=go))
sys.exit(lifecycle.main("demo", Settings, None, ["go"], [command]))
"""


def test_a_reader_that_has_enough_ends_it_quietly(tmp_path: Path) -> None:
    script = tmp_path / "demo.py"
    script.write_text(ENDLESS)
    said = subprocess.run(
        ["sh", "-c", '"$0" "$1" | head -1', sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert (said.stdout, said.stderr) == ("line\n", "")
