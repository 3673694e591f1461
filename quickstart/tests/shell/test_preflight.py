import socket
from pathlib import Path

import pytest

from quickstart import config
from quickstart.shell import preflight, scratch


def options(tmp_path: Path, *arguments: str) -> config.Options:
    return config.parse(["--state", str(tmp_path / "s"), *arguments])


async def test_this_machine_can_run_the_quickstart(tmp_path: Path, is_root: None):
    machine = await preflight.examine(options(tmp_path))
    assert machine.accelerator in ("kvm", "tcg")
    assert machine.why
    assert "QEMU" in machine.summary


async def test_a_probe_that_fails_means_emulation_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    accelerator, why, _ = await preflight.probe_kvm()
    assert accelerator == "tcg"
    assert "no-python" in why


def test_free_ports_are_distinct_and_free(tmp_path: Path):
    ports = preflight.ports(options(tmp_path))
    assert len(set(ports)) == config.PORTS
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_port_base_is_kept(tmp_path: Path):
    assert preflight.ports(options(tmp_path, "--port-base", "7001")) == list(range(7001, 7007))


def test_room_is_measured_where_the_folder_will_be(tmp_path: Path):
    assert preflight.free_disk_mb(tmp_path / "not" / "yet") == preflight.free_disk_mb(tmp_path)
    assert preflight.available_memory_mb() > 0


def test_every_feature_that_is_tried_has_its_modules_named():
    assert set(preflight.KERNEL_MODULES) <= set(scratch.ATTEMPTS)


def test_a_state_folder_is_known_by_its_real_path(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert config.parse(["--state", str(tmp_path / "link")]).layout.state == tmp_path / "real"


def test_console_takes_a_vm_and_a_project():
    parsed = config.parse(["console", "web", "--project", "green"])
    assert (parsed.action, parsed.vm, parsed.project) == (config.Action.CONSOLE, "web", "green")
