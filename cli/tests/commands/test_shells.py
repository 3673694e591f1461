"""Completion in the shells themselves, as a person sees it: a word is begun, tab is pressed, and the word is whole."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from clouds import Person

PROMPT = "ready> "
SET_UP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "bind 'set enable-bracketed-paste off'; PS1='{prompt}'"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; unsetopt zle_bracketed_paste; PS1='{prompt}'"),
}
SECONDS = 20.0


def on_path(dev: Person) -> Mapping[str, str]:
    """Variables with which `uc` is a command, as it is where it is installed."""
    folder = dev.home / "bin"
    folder.mkdir()
    program = folder / "uc"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ultracloud.cli "$@"\n')
    program.chmod(0o755)
    kept = {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    return {**kept, "PATH": f"{folder}:{os.environ['PATH']}", "TERM": "dumb", "PYTHONUNBUFFERED": "1"}


def read_until(terminal: int, wanted: str) -> str:
    shown, ends_at = "", time.monotonic() + SECONDS
    while wanted not in shown:
        assert time.monotonic() < ends_at, f"{wanted!r} is not in {shown!r}"
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown


@pytest.mark.parametrize("shell", sorted(SET_UP))
def test_tab_completes_a_live_name(dev: Person, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    dev.ok("vpc", "create", f"pressed-in-{shell}", "--cidr", "10.0.0.0/16")
    command, set_up = SET_UP[shell]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, env=on_path(dev), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as running:
        os.close(theirs)
        try:
            # What is typed is shown, too, and must not look like the prompt that it makes.
            line = set_up.format(prompt=PROMPT.replace("r", "r''", 1)) + f'; eval "$(uc completion {shell})"\n'
            os.write(ours, line.encode())
            read_until(ours, PROMPT)
            os.write(ours, f"uc vpc get pressed-in-{shell[0]}\t".encode())
            read_until(ours, f"pressed-in-{shell}")
        finally:
            running.kill()
    os.close(ours)


def test_fish_is_told_live_names_with_what_they_are(dev: Person, tmp_path: Path) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    dev.ok("vpc", "create", "caught", "--cidr", "10.0.0.0/16")
    (tmp_path / "uc.fish").write_text(dev.ok("completion", "fish").out)
    asked = f"source {tmp_path / 'uc.fish'}; complete -C 'uc vpc get caug'; complete -C 'uc vp'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", asked], env=on_path(dev), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["caught", "vpc\tPrivate networks"]
