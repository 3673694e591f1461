"""The KVM probe: it always answers, in time, and leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from plasmavmc.agent.config import Capacity
from plasmavmc.agent.core.place import Accelerator
from plasmavmc.agent.shell import kvm
from plasmavmc.agent.shell.capacity import choose_accelerator, measure


def test_command_prints_one_object() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "plasmavmc.agent", "kvm-probe"], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert set(told) == {"usable", "why", "seconds"}
    assert isinstance(told["usable"], bool)
    assert told["seconds"] < 3
    assert told["why"]


def test_probe_ends_at_its_deadline() -> None:
    if not os.path.exists(kvm.DEVICE):  # noqa: PTH110
        pytest.skip("no /dev/kvm to hang on")
    found = kvm.probe(deadline_s=0.05, loops=2_000_000_000)
    assert not found.usable
    assert found.seconds < 1
    assert "does not get on in 0.05 s" in found.why


LEFT = """
import os
from plasmavmc.agent.shell import kvm
before = set(os.listdir("/proc/self/fd"))
kvm.probe(loops=1000)
print(set(os.listdir("/proc/self/fd")) ^ before or "nothing")
os.waitpid(-1, os.WNOHANG)
"""


def test_probe_leaves_no_child_and_no_open_file() -> None:
    """In a process of its own: here other tests' threads open files too."""
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, check=False)
    assert done.stdout == "nothing\n"
    assert "ChildProcessError" in done.stderr


def test_missing_device_is_no_kvm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "DEVICE", "/dev/no-such-device")
    found = kvm.probe()
    assert (found.usable, found.why) == (False, "/dev/no-such-device cannot be used: No such file or directory")


def test_slow_kvm_is_worse_than_none() -> None:
    slow, fast = kvm._judge("ran 1.6", 0.3), kvm._judge("ran 1500.0", 0.01)
    assert (slow.usable, fast.usable) == (False, True)
    assert "only 1.6 million instructions a second" in slow.why


def test_configuration_overrules_the_probe() -> None:
    assert choose_accelerator("kvm")[0] is Accelerator.KVM
    assert choose_accelerator("tcg")[0] is Accelerator.TCG
    assert choose_accelerator("auto")[0] in Accelerator


def test_host_offers_what_it_has_less_what_it_keeps(tmp_path: Path) -> None:
    all_of_it = measure(tmp_path, Capacity(vcpus_per_core=1.0, memory_reserved_mib=0, disk_reserved_gib=0))
    less = measure(tmp_path, Capacity(vcpus_per_core=2.0, memory_reserved_mib=100, disk_reserved_gib=1))
    assert less.vcpus == 2 * all_of_it.vcpus
    assert less.memory_mib == all_of_it.memory_mib - 100
    assert all_of_it.disk_gib - less.disk_gib in (0, 1, 2)
    assert measure(tmp_path, Capacity(memory_reserved_mib=10**9)).memory_mib == 0
