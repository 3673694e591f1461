from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ultracloud.testkit import libvirt
from ultracloud.testkit.machines import children_of, machine, power_on
from ultracloud.testkit.namespaces import cable, host, is_possible
from ultracloud.testkit.processes import started

pytestmark = pytest.mark.skipif(not is_possible(), reason="needs root to make namespaces")
HAS_LIBVIRTD = shutil.which("libvirtd") is not None


def test_a_machine_has_processes_and_mounts_of_its_own() -> None:
    with machine("mount -t tmpfs none /run") as one:
        one.run(["touch", "/run/here"])
        assert one.seen("/run/here").exists()
        assert not Path("/run/here").exists()
        assert "sleep" not in one.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).stdout


def test_a_machine_is_a_host_with_cables() -> None:
    with machine() as one, host() as other:
        cable(one, other, "10.99.0.1/24", "10.99.0.2/24")
        assert one.can_reach("10.99.0.2")


def test_all_processes_end_with_the_power(tmp_path: Path) -> None:
    one = power_on()
    with started([*one.prefix, "sh", "-c", "echo ready; setsid sleep 1000 & sleep 1000"], tmp_path / "log") as shell:
        shell.wait_line("ready")
        (inside,) = children_of(shell.pid)
        one.cut_power()
        one.cut_power()
        assert shell.wait() != 0
        assert not Path(f"/proc/{inside}").exists()


def test_a_machine_whose_setup_fails_is_none() -> None:
    with pytest.raises(AssertionError, match="setup failed"):
        power_on("false")


@pytest.mark.skipif(not HAS_LIBVIRTD, reason="no libvirtd on this machine")
def test_a_machines_libvirtd_knows_none_of_the_hosts(tmp_path: Path) -> None:
    folder = tmp_path / "libvirt"
    libvirt.write_config(folder)
    with (
        machine(f"mount -t tmpfs none /run\n{libvirt.MOUNTS}", [str(folder)]) as one,
        started([*one.prefix, "libvirtd"], tmp_path / "log"),
    ):
        libvirt.wait_listening(one.seen(libvirt.SOCKET))
        assert list((folder / "etc" / "qemu").glob("*.xml")) == []
