from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ultracloud.testkit.namespaces import cable, host, is_possible

pytestmark = pytest.mark.skipif(not is_possible(), reason="needs root to make network namespaces")


def test_two_hosts_reach_each_other_over_a_cable() -> None:
    with host() as left, host() as right:
        assert not left.can_reach("10.99.0.2")
        cable(left, right, "10.99.0.1/24", "10.99.0.2/24")
        assert left.can_reach("10.99.0.2")
        assert right.can_reach("10.99.0.1")


def test_a_hosts_network_is_its_own() -> None:
    with host() as alone:
        links = alone.run(["ip", "-o", "link"]).stdout.splitlines()
        assert len([line for line in links if ": lo:" in line]) == 1
        assert "eth0" not in alone.run(["ip", "-o", "link"]).stdout


def test_a_named_host_is_in_run_netns_until_it_ends() -> None:
    name = f"testkit-{os.getpid()}"
    with host(name):
        assert Path("/run/netns", name).exists()
    assert not Path("/run/netns", name).exists()


def test_a_failed_command_says_what_it_said() -> None:
    with host() as alone, pytest.raises(AssertionError, match="Cannot find device"):
        alone.run(["ip", "link", "set", "nothing", "up"])


def test_hosts_go_when_their_test_is_killed() -> None:
    code = (
        "from ultracloud.testkit.namespaces import host\n"
        "import signal\n"
        "with host() as made:\n    print(made.pid, flush=True)\n    signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as test:
        assert test.stdout is not None
        holder = int(test.stdout.readline())
        watcher = os.pidfd_open(holder)
        test.send_signal(signal.SIGKILL)
        test.wait()
    assert select.select([watcher], [], [], 10)[0], "the holder outlived its test"
    os.close(watcher)
