"""A little of the robustness rounds in every suite, all of it in the slow lane, and proof that it would notice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.robustness import servers
from tests.robustness.faults import FAULTS
from tests.robustness.servers import ROOT
from tests.robustness.store_faults import NEEDS_FIVE_REPLICAS, STORE_FAULTS
from ultracloud.testkit.namespaces import is_possible
from ultracloud.testkit.processes import DIE_WITH_US

needs_root = pytest.mark.skipif(not is_possible(), reason="members live in network namespaces, which needs root")
ROUND_S, STORE_ROUND_S = 110.0, 240.0
QUICK = ("isolate_leader", "stop_leader", "kill_leader", "kill_all")


def play(folder: Path, *arguments: str, seconds: float = ROUND_S) -> subprocess.CompletedProcess[str]:
    """One call of the command line, which ends with us."""
    command = [*DIE_WITH_US, sys.executable, "-m", "tests.robustness", "--keep", str(folder / "kept"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds)


def kept(folder: Path, *arguments: str, seconds: float = ROUND_S) -> None:
    done = play(folder, *arguments, seconds=seconds)
    assert done.returncode == 0, done.stdout + done.stderr


def skip_without(server: str) -> None:
    if servers.find(server) is None:
        pytest.skip(f"{server} is not installed here")


@needs_root
def test_chainfire_keeps_its_promises_through_the_usual_faults(tmp_path: Path) -> None:
    skip_without("chainfire")
    kept(tmp_path, "--server", "chainfire", "--in-order", "--faults", *QUICK)


@needs_root
def test_stale_reads_are_found_out(tmp_path: Path) -> None:
    skip_without("chainfire")
    faults = ["isolate_follower"] * 2
    done = play(tmp_path, "--server", "chainfire", "--in-order", "--faults", *faults, "--stale-reads")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BrokenPromiseError" in done.stdout
    assert (next((tmp_path / "kept").iterdir()) / "history.jsonl").exists()


@needs_root
@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_chainfire_keeps_its_promises_through(fault: str, tmp_path: Path) -> None:
    skip_without("chainfire")
    kept(tmp_path, "--server", "chainfire", "--in-order", "--faults", fault, fault)


@needs_root
@pytest.mark.slow
@pytest.mark.parametrize("members", [1, 5])
def test_any_number_of_members_keeps_its_promises(members: int, tmp_path: Path) -> None:
    skip_without("chainfire")
    faults = QUICK if members > 1 else ("kill_all", "stop_leader", "kill_again_and_again")
    kept(tmp_path, "--server", "chainfire", "--members", str(members), "--in-order", "--faults", *faults)


@needs_root
@pytest.mark.slow
@pytest.mark.parametrize("server", ["chainfire-tls", "chainfire-etcd", "etcd", "etcd-debian"])
def test_other_ways_to_run_and_a_real_etcd_are_held_to_the_same(server: str, tmp_path: Path) -> None:
    skip_without(server)
    kept(tmp_path, "--server", server, "--in-order", "--faults", *QUICK, "replace_member")


@needs_root
@pytest.mark.slow
@pytest.mark.timeout(2 * STORE_ROUND_S)
@pytest.mark.parametrize("fault", sorted(set(STORE_FAULTS) - NEEDS_FIVE_REPLICAS))
def test_flaredb_keeps_its_promises_through(fault: str, tmp_path: Path) -> None:
    skip_without("flaredb")
    kept(tmp_path, "--server", "flaredb", "--in-order", "--faults", fault, fault, seconds=STORE_ROUND_S)


@needs_root
@pytest.mark.slow
@pytest.mark.timeout(2 * STORE_ROUND_S)
def test_flaredb_loses_nothing_when_two_of_five_disks_are_lost_at_once(tmp_path: Path) -> None:
    skip_without("flaredb-five")
    kept(tmp_path, "--server", "flaredb-five", "--in-order", "--faults", "lose_two_at_once", seconds=STORE_ROUND_S)


@needs_root
def test_nothing_is_left_when_it_is_killed(tmp_path: Path) -> None:
    skip_without("chainfire")
    command = [*DIE_WITH_US, sys.executable, "-m", "tests.robustness", "--server", "chainfire", "--in-order"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*command, "--faults", "stop_leader"], cwd=ROOT, env=environment) as running:
        wait_until(lambda: len(members_below(tmp_path)) == 3)
        running.kill()
    wait_until(lambda: not members_below(tmp_path))


def members_below(folder: Path) -> list[str]:
    """Ids of processes that have a folder below this one as an argument."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < ends_at, "it did not happen"
        time.sleep(0.02)


def test_a_fault_that_there_is_not_is_said_so(tmp_path: Path) -> None:
    done = play(tmp_path, "--faults", "flood")
    assert done.returncode == 2
    assert "no fault 'flood'; there are: kill_leader" in done.stderr
