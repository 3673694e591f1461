"""The quickstart end to end, as a person runs it: kept and used, interrupted, killed."""

import asyncio
import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quickstart.core import cluster as clusters
from quickstart.shell.stack.client import StackClient

COMMAND = [sys.executable, "-m", "quickstart"]
WHOLE_SECONDS = 240
STEPS = {
    "preflight",
    "services ready",
    "token issued",
    "refused without rights",
    "network built",
    "http answered",
    "uc logged in",
    "uc makes and deletes",
    "uc doctor",
    "certificates renew",
    "console",
    "http refused without rule",
    "http answered with rule",
    "egress nat",
    "tenants isolated",
    "chainfire killed",
    "flaredb killed",
    "iam killed",
    "prismnet killed",
    "plasmavmc killed",
    "apigateway killed",
    "guests back from local copies",
    "everything back from disk",
    "context written",
}


def left_behind(state: Path) -> list[str]:
    """Processes, mounts and networks that have to do with a state folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_text().replace("\0", " ")
            if str(state) in command and int(folder.name) != os.getpid():
                found.append(command)
    found += [
        line for line in Path("/proc/mounts").read_text().splitlines() if str(state) in line.replace("\\040", " ")
    ]
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in links.splitlines() if " uplink" in line or ": br-" in line]


def wait_nothing_left(state: Path) -> None:
    ends_at = time.monotonic() + 5
    while left := left_behind(state):
        assert time.monotonic() < ends_at, left
        time.sleep(0.05)
    assert {path.name for path in state.iterdir()} <= {"logs", "lock", "quickstart.json"}


@pytest.mark.timeout(WHOLE_SECONDS + 60)
def test_a_cloud_is_proved_kept_used_resumed_and_removed(
    tmp_path: Path, is_root: None, monkeypatch: pytest.MonkeyPatch
):
    state = tmp_path / "a state with spaces"
    run = [*COMMAND, "--state", str(state)]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    uc("context", "add", "work", "--server", "https://cloud.example")
    try:
        prove_keep_use(run)
        assert "web" in uc("ps")
        end_supervisor(state)
        resume(run)
        assert "web" in uc("ps", "-a")
        switch("web")
    finally:
        stopped = subprocess.run([*run, "--stop"], capture_output=True, text=True, timeout=60, check=False)
    assert stopped.returncode == 0, stopped.stderr
    assert uc("context", "list", "--no-headers").split()[:2] == ["*", "work"]
    wait_nothing_left(state)


def switch(name: str) -> None:
    """A VM off, on and on again, each waited for."""
    assert uc("stop", name, "--force", "--wait") == f"vm/{name} has stopped\n"
    assert f"vm/{name}" not in uc("ps", "-o", "name")
    assert uc("start", name, "--wait") == f"vm/{name} runs\n"
    assert uc("restart", name, "--force", "--wait") == f"vm/{name} runs again\n"


def uc(*words: str) -> str:
    """What `uc` prints for the person who keeps the cloud."""
    command = [sys.executable, "-m", "ultracloud.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def end_supervisor(state: Path) -> None:
    """As a restart of the machine would: everything ends without a word."""
    client = StackClient(clusters.control_name(state))
    asyncio.run(client.power_cut())
    assert not client.is_running()


def resume(run: list[str]) -> None:
    """A kept cloud that was ended is not lost by a careless word, and comes back, as often as it is asked for."""
    refused = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, "--keep` starts it again" in refused.stderr) == (1, True)
    for _ in range(2):
        again = subprocess.run([*run, "--keep"], capture_output=True, text=True, timeout=60, check=False)
        assert (again.returncode, "uc run guest" in again.stdout) == (0, True), again.stderr


def prove_keep_use(run: list[str]) -> None:
    """Everything a person does with a cloud that is kept."""
    told = subprocess.run(
        [*run, "--keep", "--json"], capture_output=True, text=True, timeout=WHOLE_SECONDS, check=False
    )
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert report["ok"]
    assert {step["name"] for step in report["steps"]} >= STEPS
    assert report["memory_mb"]["total"] < 400
    again = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert (again.returncode, "--stop" in again.stderr) == (1, True)
    keys = "echo typed-by-a-$(echo person)\n"
    assert "typed-by-a-person" in type_on_console([*run, "console", "web"], "http: port 80", keys)
    ours = [sys.executable, "-m", "ultracloud.cli", "console", "web"]
    assert "typed-by-a-person" in type_on_console(ours, "Ctrl-] leaves it", keys)


def type_on_console(command: list[str], first: str, keys: str) -> str:
    """What a console shows after these keys, which are typed once it has shown `first`, up to Ctrl-]."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        try:
            shown = read_for(ours, first, 20)
            os.write(ours, f"\n{keys}".encode())
            shown += read_for(ours, "typed-by-a-person", 20)
            os.write(ours, b"\x1d")
            assert process.wait(20) == 0
        finally:
            process.kill()
    os.close(ours)
    return shown


def read_for(descriptor: int, wanted: str, seconds: float) -> str:
    """What can be read until `wanted` has been seen."""
    shown, ends_at = "", time.monotonic() + seconds
    while wanted not in shown and time.monotonic() < ends_at:
        if select.select([descriptor], [], [], 0.1)[0]:
            shown += os.read(descriptor, 65536).decode(errors="replace")
    return shown


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("number", "after"), [(signal.SIGINT, "services ready"), (signal.SIGTERM, "network built")])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, is_root: None, number: signal.Signals, after: str):
    state = tmp_path / "state"
    with subprocess.Popen([*COMMAND, "--state", str(state)], stdout=subprocess.PIPE, text=True) as process:
        wait_for_line(process, after)
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(30) == 128 + number
    wait_nothing_left(state)


@pytest.mark.timeout(120)
def test_a_run_after_a_killed_one_removes_what_it_left(tmp_path: Path, is_root: None):
    state = tmp_path / "state"
    with subprocess.Popen([*COMMAND, "--state", str(state)], stdout=subprocess.PIPE, text=True) as process:
        wait_for_line(process, "services ready")
        process.kill()
    with subprocess.Popen([*COMMAND, "--state", str(state)], stdout=subprocess.PIPE, text=True) as process:
        assert "what a killed run had left is removed" in process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    wait_nothing_left(state)


def wait_for_line(process: subprocess.Popen[str], step: str) -> None:
    """Read until the line of a step has been printed."""
    sentences = {"services ready": "are ready, with mutual TLS", "network built": "deny-by-default"}
    for line in process.stdout:
        if sentences[step] in line:
            return
    raise AssertionError(f"the run ended before '{step}'")
