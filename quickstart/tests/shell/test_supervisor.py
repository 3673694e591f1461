import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quickstart.core.stack import Bind
from quickstart.core.supervision import Phase
from quickstart.errors import QuickstartError
from quickstart.shell.stack.client import StackClient, Statuses
from quickstart.testing import Launch, MakeProgram

LAUNCHER = Path(__file__).parent / "launcher.py"


def are_ready(statuses: Statuses):
    return all(status.phase is Phase.READY for status in statuses.values())


def processes_with(word: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word in (folder / "cmdline").read_text():
                found.append(int(folder.name))
    return found


def wait_count_with(word: str, is_enough: Callable[[int], bool], seconds: float = 5.0) -> bool:
    ends_at = time.monotonic() + seconds
    while not is_enough(len(processes_with(word))):
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.02)
    return True


def wait_none_with(word: str) -> bool:
    return wait_count_with(word, lambda count: count == 0)


async def test_a_killed_process_is_back_at_once(stacks: Launch, dummy: MakeProgram):
    stack = await stacks(dummy("a"), dummy("b"))
    await stack.wait_until(are_ready, 10)
    begun = time.monotonic()
    await stack.kill(["a"])
    statuses = await stack.wait_until(lambda now: now["a"].starts == 2 and are_ready(now), 10)
    assert statuses["a"].status == -signal.SIGKILL
    assert statuses["b"].starts == 1
    assert time.monotonic() - begun < 1


async def test_stopped_processes_stay_away_until_started(stacks: Launch, dummy: MakeProgram):
    stack = await stacks(dummy("a"), dummy("stubborn", "trap '' TERM; echo ready x; while :; do sleep 1; done"))
    await stack.wait_until(are_ready, 10)
    await stack.stop(["a", "stubborn"], 0.2)
    statuses = await stack.statuses()
    assert {status.phase for status in statuses.values()} == {Phase.STOPPED}
    assert statuses["stubborn"].status == -signal.SIGKILL
    await stack.start(["a"])
    assert (await stack.wait_until(lambda now: now["a"].phase is Phase.READY, 10))["a"].starts == 2


async def test_orphans_are_reaped_at_once(stacks: Launch, dummy: MakeProgram, tmp_path: Path):
    file = tmp_path / "orphan.pid"
    script = f"(sleep 0.05 & echo $! > {file}); sleep 0.3; test -e /proc/$(cat {file}) || echo ready; sleep 1000"
    stack = await stacks(dummy("parent", script))
    await stack.wait_until(are_ready, 10)


async def test_ends_in_order_and_tells_how_each_ended(stacks: Launch, dummy: MakeProgram):
    stack = await stacks(dummy("polite", "trap 'exit 7' TERM; echo ready x; while :; do sleep 0.05; done"))
    await stack.wait_until(are_ready, 10)
    last = await stack.end(5)
    assert (last["polite"].phase, last["polite"].status) == (Phase.STOPPED, 7)
    assert not stack.is_running()


async def test_a_socket_tells_that_a_program_is_ready(stacks: Launch, dummy: MakeProgram):
    serve = "import socket,time; s=socket.socket(socket.AF_UNIX); s.bind('/run/x.sock'); s.listen(); time.sleep(1000)"
    stack = await stacks(dummy("server", f'exec "{sys.executable}" -c "{serve}"', ready_socket="/run/x.sock"))
    await stack.wait_until(are_ready, 10)


def seen_here(*paths: str) -> list[str]:
    return [path for path in paths if Path(path).exists()]


async def test_namespaces_and_mounts_are_the_stacks_alone(stacks: Launch, dummy: MakeProgram, tmp_path: Path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "mine").touch()
    script = "ip -o link show scratch0 && ls /etc/never-there/deep/mine /sys/class/net/scratch0 && echo ready; sleep 99"
    stack = await stacks(
        dummy("inside", script, namespace="host"),
        namespaces=("host",),
        setup=("-n host link add scratch0 type bridge",),
        binds=(Bind(source=str(tmp_path / "etc"), target="/etc/never-there/deep"),),
        devices_of="host",
    )
    await stack.wait_until(are_ready, 10)
    assert seen_here("/etc/never-there", "/sys/class/net/scratch0", "/run/netns/host") == []


@pytest.fixture
def below_run() -> Iterator[Path]:
    folder = Path("/run") / f"quickstart-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


async def test_a_kept_folder_stays_visible_below_a_private_one(stacks: Launch, dummy: MakeProgram, below_run: Path):
    script = f"touch {below_run}/seen; echo ready; sleep 99"
    stack = await stacks(dummy("a", script), kept=(str(below_run),))
    await stack.wait_until(are_ready, 10)
    assert seen_here(f"{below_run}/seen")


async def test_a_mount_that_fails_is_named(stacks: Launch, dummy: MakeProgram, tmp_path: Path):
    with pytest.raises(QuickstartError, match="supervisor ended at once") as caught:
        await stacks(dummy("a"), setup=("link add nonsense type nonsense",))
    assert "nonsense" in caught.value.cause


def launch_in_a_process(folder: Path, word: str, *words: str):
    process = subprocess.Popen([sys.executable, LAUNCHER, folder, word, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    return process


def test_a_sigkill_of_the_starter_leaves_nothing(tmp_path: Path, is_root: None):
    word = f"starter-{os.getpid()}"
    with launch_in_a_process(tmp_path, word) as process:
        are_up = wait_count_with(word, lambda count: count >= 3)
        process.kill()
    assert are_up
    assert wait_none_with(word)


async def test_a_detached_stack_outlives_its_starter_until_it_is_ended(tmp_path: Path, is_root: None):
    word = f"detached-{os.getpid()}"
    with launch_in_a_process(tmp_path, word, "detach") as process:
        process.wait(10)
    stack = StackClient(word)
    await asyncio.sleep(0.2)
    assert (await stack.statuses())[word].phase is Phase.READY
    await stack.power_cut()
    assert wait_none_with(word)


async def test_what_is_no_request_is_answered_with_what_is(stacks: Launch, dummy: MakeProgram):
    stack = await stacks(dummy("a"))
    reader, writer = await asyncio.open_unix_connection(f"\0{stack.control}")
    writer.write(b'{"do": "dance", "names": ["a"]}\nnonsense\n{"do": "kill", "names": ["c"]}\n')
    answers = [(await reader.readline()).decode() for _ in range(3)]
    writer.close()
    assert "accepted: watch start stop" in answers[0]
    assert "not a request" in answers[1]
    assert "no process 'c'; there are: a" in answers[2]


async def test_memory_is_told_by_process(stacks: Launch, dummy: MakeProgram):
    stack = await stacks(dummy("a"))
    await stack.wait_until(are_ready, 10)
    memory = await stack.memory_mb()
    assert set(memory) == {"a", "supervisor", "guests"}
    assert 5 < memory["supervisor"] < 100
