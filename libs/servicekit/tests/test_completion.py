"""Completion of services' commands, in the shells themselves."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from ultracloud.servicekit import completion, lifecycle
from ultracloud.servicekit.lifecycle import Command
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Settings

TAB = """
COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMPREPLY=(); _demo
echo "${{COMPREPLY[@]}}"
"""


async def build(_settings: Settings, _runtime: Runtime) -> None:
    """Nothing is served here."""


def configure(parser: argparse.ArgumentParser) -> None:
    """`regions split --key`, and `regions --hot`."""
    parser.add_argument("--hot", action="store_true", help="it's what is asked for most")
    parser.add_subparsers().add_parser("split", help="cut one in two").add_argument("--key")


def script(capsys: pytest.CaptureFixture[str], shell: str) -> str:
    """What `demo completion SHELL` prints."""
    commands = [Command("regions", "where the keys are", configure)]
    assert lifecycle.main("demo", Settings, build, ["completion", shell], commands) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("demo reg", "regions"),
        ("demo regions ''", "split --help --hot"),
        ("demo regions split --k", "--key"),
        ("demo --config x regions s", "split"),
        ("demo serve --c", "--config"),
        ("demo completion x", ""),
    ],
)
def test_bash_completes_words_and_flags(capsys: pytest.CaptureFixture[str], words: str, found: str) -> None:
    asked = script(capsys, "bash") + TAB.format(words=words)
    done = subprocess.run(["bash", "--norc", "-c", asked], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (found, "")


def test_zsh_takes_the_same_through_bashcompinit(capsys: pytest.CaptureFixture[str]) -> None:
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    asked = script(capsys, "zsh") + "emulate sh\n" + TAB.format(words="demo regions split --k")
    done = subprocess.run(["zsh", "-f", "-c", asked], capture_output=True, text=True, check=True)
    # What does not begin as the word does is left out by zsh itself, where a tab is pressed.
    assert done.stdout.split() == ["--help", "--key"], done.stderr


def test_fish_is_told_what_each_word_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    (tmp_path / "demo.fish").write_text(script(capsys, "fish"))
    asked = f"source {tmp_path / 'demo.fish'}; complete -C 'demo reg'; complete -C 'demo regions --ho'"
    done = subprocess.run(["fish", "--no-config", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["regions\twhere the keys are", "--hot\tit's what is asked for most"]


def test_a_shell_that_there_is_not_is_refused() -> None:
    with pytest.raises(SystemExit) as ended:
        lifecycle.main("demo", Settings, build, ["completion", "tcsh"])
    assert ended.value.code == 2
    assert completion.ROOT
