"""The agent on real libvirt and QEMU: a guest boots, is used, is stopped, and goes; whoever else dies meanwhile."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from agents import AgentProcess, ControlPlane, Loop, console_text, direct_vm, file_of
from guest import Guest
from libvirt_host import LibvirtHost, wait_until

from ultracloud.api.iam.v1.secrets_pb2 import SecretRef
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import PermissionDeniedError

READY = "GUEST-READY"
NIC = pb.HostNic(port="port-1", address="10.9.0.2", mac="52:54:00:00:00:02", device_name="tapone")
WITH_NIC = {"nics": [NIC], "cmdline": "console=ttyS0 quiet address=10.9.0.2/24"}


def pid_of_emulator(host: LibvirtHost) -> str:
    """Process id, inside the host, of the one QEMU that runs."""
    return host.run("sh", "-c", "cat /run/libvirt/qemu/vm-*.pid").strip()


def test_guest_boots_answers_and_goes_without_a_trace(
    guest_files: Guest, libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess, loop: Loop
) -> None:
    vm = direct_vm(guest_files, 1, **WITH_NIC)
    libvirt.add_tap("tapone", "down")
    control_plane.want(vm)
    control_plane.wait(vm.id, "WaitingForNetwork")
    libvirt.add_tap("tapone")
    report = control_plane.wait(vm.id, "Running")
    assert (report.ready, report.power, report.reboot_count) == (True, pb.RUNNING, 1)
    assert READY in console_text(loop, agent, vm.id, READY)
    assert "hello-from-guest" in libvirt.run("busybox", "wget", "-q", "-O", "-", "http://10.9.0.2/")
    typed = console_text(loop, agent, vm.id, "forty-two=42", keys=b"echo forty-two=$((6*7))\n")
    assert "forty-two=42" in typed
    control_plane.wait_gone(vm.id, control_plane.want())
    assert libvirt.emulators() == []
    assert libvirt.domains() == []
    assert not agent.vm_folder(vm.id).exists()
    assert list((agent.folder / "run").glob("vm-*")) == []
    libvirt.remove_tap("tapone")


def test_stop_start_and_reboot_do_what_they_say(
    guest_files: Guest, control_plane: ControlPlane, agent: AgentProcess, loop: Loop
) -> None:
    vm = direct_vm(guest_files, 2)
    control_plane.want(vm)
    console_text_when_ready(loop, control_plane, agent, vm.id)
    vm.MergeFrom(pb.HostVm(generation=1, power=pb.STOPPED))
    control_plane.want(vm)
    assert control_plane.wait(vm.id, "Stopped").power == pb.STOPPED
    assert "Power down" in console_text(loop, agent, vm.id, "Power down")
    vm.MergeFrom(pb.HostVm(power=pb.RUNNING, reboot_count=2))
    control_plane.want(vm)
    wait_count(control_plane, vm.id, 2)
    vm.MergeFrom(pb.HostVm(reboot_count=3, force=True))
    control_plane.want(vm)
    wait_count(control_plane, vm.id, 3)


def test_guest_that_switches_itself_off_stays_off_until_started(
    guest_files: Guest, control_plane: ControlPlane, agent: AgentProcess
) -> None:
    vm = direct_vm(guest_files, 3, cmdline="console=ttyS0 quiet poweroff-now")
    control_plane.want(vm)
    control_plane.wait(vm.id, "GuestStopped")
    vm.MergeFrom(pb.HostVm(cmdline="console=ttyS0 quiet", reboot_count=2))
    control_plane.want(vm)
    wait_count(control_plane, vm.id, 2)


def test_killed_agent_finds_its_vms_again_and_leaves_them_alone(
    guest_files: Guest, libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess, loop: Loop
) -> None:
    vm = direct_vm(guest_files, 4)
    control_plane.want(vm)
    console_text_when_ready(loop, control_plane, agent, vm.id)
    before = pid_of_emulator(libvirt)
    agent.kill()
    control_plane.hosts.reports.clear()
    agent.start()
    assert control_plane.wait(vm.id, "Running").reboot_count == 1
    assert pid_of_emulator(libvirt) == before
    assert READY in console_text(loop, agent, vm.id, READY)


def test_agent_killed_mid_work_ends_it_when_it_is_back(
    guest_files: Guest, libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess
) -> None:
    vms = [direct_vm(guest_files, number, memory_mib=0) for number in (51, 52, 53)]
    for vm in vms:
        vm.memory_mib = 64
    control_plane.want(*vms)
    wait_until(lambda: "Start vm-" in agent.log(), "a start is under way")
    agent.kill()
    agent.start()
    for vm in vms:
        control_plane.wait(vm.id, "Running")
    assert len(libvirt.emulators()) == 3


def test_libvirtd_restart_costs_neither_vm_nor_agent(
    guest_files: Guest, libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess, loop: Loop
) -> None:
    vm = direct_vm(guest_files, 6)
    control_plane.want(vm)
    control_plane.wait(vm.id, "Running")
    before = pid_of_emulator(libvirt)
    libvirt.kill_libvirtd()
    wait_until(lambda: "connection is lost" in agent.log(), "the agent notices")
    vm.MergeFrom(pb.HostVm(generation=1, reboot_count=2, force=True))
    control_plane.want(vm)
    libvirt.start_libvirtd()
    wait_count(control_plane, vm.id, 2)
    assert pid_of_emulator(libvirt) != before
    assert agent.process is not None
    assert agent.process.poll() is None


def test_host_restart_brings_vms_back_without_a_control_plane(
    guest_files: Guest, libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess, loop: Loop
) -> None:
    vm, stopped = direct_vm(guest_files, 7), direct_vm(guest_files, 8, power=pb.STOPPED)
    control_plane.want(vm, stopped)
    control_plane.wait(vm.id, "Running")
    control_plane.stop()
    agent.kill()
    libvirt.destroy(vm.id)
    agent.start()
    wait_until(lambda: len(libvirt.emulators()) == 1, "the VM that shall run is back")
    assert READY in console_text(loop, agent, vm.id, READY)
    control_plane.start()
    control_plane.wait(vm.id, "Running")
    control_plane.wait(stopped.id, "Stopped")


def test_crashed_vm_is_started_again(
    guest_files: Guest, libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess
) -> None:
    vm = direct_vm(guest_files, 9)
    control_plane.want(vm)
    control_plane.wait(vm.id, "Running")
    before = pid_of_emulator(libvirt)
    libvirt.run("kill", "-9", before)
    wait_until(lambda: libvirt.emulators() and pid_of_emulator(libvirt) != before, "another QEMU runs")


def test_disk_is_made_as_large_as_asked(
    guest_files: Guest, control_plane: ControlPlane, agent: AgentProcess, loop: Loop
) -> None:
    vm = direct_vm(guest_files, 10, disk_gib=3)
    control_plane.want(vm)
    console_text_when_ready(loop, control_plane, agent, vm.id)
    assert f"DISK {3 * 1024**3 // 512}" in console_text(loop, agent, vm.id, READY)


def test_disk_image_becomes_an_overlay_and_stays_unchanged(
    guest_files: Guest, libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess, short_path: Path
) -> None:
    image = short_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1G"], check=True)
    vm = direct_vm(guest_files, 11)
    for field in ("kernel", "initrd", "cmdline"):
        vm.ClearField(field)
    vm.MergeFrom(pb.HostVm(image_format=pb.ImageSpec.QCOW2, disk=file_of(image), disk_gib=2))
    control_plane.want(vm)
    control_plane.wait(vm.id, "Running")
    told = json.loads(
        subprocess.run(
            ["qemu-img", "info", "-U", "--output=json", str(agent.vm_folder(vm.id) / "root.qcow2")],
            check=True,
            capture_output=True,
        ).stdout
    )
    assert told["virtual-size"] == 2 * 1024**3
    assert Path(told["backing-filename"]).name == vm.disk.sha256


def test_corrupt_image_is_refused_and_nothing_of_it_stays(
    guest_files: Guest, control_plane: ControlPlane, agent: AgentProcess, short_path: Path
) -> None:
    kernel = short_path / "kernel"
    kernel.write_bytes(b"something else")
    vm = direct_vm(guest_files, 12)
    vm.kernel.url = kernel.as_uri()
    control_plane.want(vm)
    report = control_plane.wait(vm.id, "ImageCorrupt")
    assert str(short_path) not in report.message
    images = agent.folder / "state" / "images"
    wait_until(lambda: [path.name for path in images.iterdir()] == [vm.initrd.sha256], "only the good file stays")


def test_image_that_names_another_file_is_refused(
    guest_files: Guest, control_plane: ControlPlane, agent: AgentProcess, short_path: Path
) -> None:
    base, image = short_path / "base.raw", short_path / "evil.qcow2"
    base.write_bytes(b"\0" * 1024**2)
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(image)]
    subprocess.run(command, check=True)
    vm = direct_vm(guest_files, 13)
    vm.MergeFrom(pb.HostVm(image_format=pb.ImageSpec.QCOW2, disk=file_of(image)))
    control_plane.want(vm)
    assert "backing file" in control_plane.wait(vm.id, "ImageRefused").message
    assert list((agent.folder / "state" / "images").iterdir()) == []


def test_guest_reads_its_metadata_through_its_port(
    guest_files: Guest, control_plane: ControlPlane, agent: AgentProcess
) -> None:
    assert metadata(agent, "port-1", "/openstack/latest/meta_data.json")[0] == 503
    vm = direct_vm(guest_files, 14, nics=[NIC], user_data="#!/bin/sh\n", name="web")
    control_plane.want(vm)
    control_plane.wait(vm.id, "WaitingForNetwork")
    status, body = metadata(agent, "port-1", "/openstack/latest/meta_data.json")
    assert (status, json.loads(body)["name"]) == (200, "web")
    assert metadata(agent, "port-1", "/latest/user-data") == (200, b"#!/bin/sh\n")
    assert metadata(agent, "port-2", "/latest/user-data")[0] == 404
    assert metadata(agent, "", "/latest/user-data")[0] == 404
    assert metadata(agent, "port-1", "/latest/user-data", "POST")[0] == 405


def test_guest_starts_once_its_secrets_are_there_and_reads_what_they_held_then(
    guest_files: Guest, libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess
) -> None:
    password, hosts = pb.VmVariable(name="PASSWORD", secret=SecretRef(secret="secret-1")), control_plane.hosts
    vm = direct_vm(guest_files, 24, variables=[password], **WITH_NIC)
    hosts.refusal = PermissionDeniedError("iam does not let VMs use the secret of PASSWORD", reason="SECRET_DENIED")
    libvirt.add_tap("tapone")
    control_plane.want(vm)
    assert "PASSWORD" in control_plane.wait(vm.id, "SecretDenied").message
    hosts.refusal, hosts.secrets = None, {"PASSWORD": b"open sesame"}
    control_plane.wait(vm.id, "Running")
    assert metadata(agent, "port-1", "/ultracloud/variables/PASSWORD", header="Metadata: true") == (200, b"open sesame")
    hosts.secrets = {"PASSWORD": b"rotated"}
    agent.kill()
    agent.start()
    control_plane.wait(vm.id, "Running")
    assert metadata(agent, "port-1", "/ultracloud/variables/PASSWORD", header="Metadata: true") == (200, b"open sesame")
    vm.MergeFrom(pb.HostVm(reboot_count=2, force=True))
    control_plane.want(vm)
    wait_count(control_plane, vm.id, 2)
    assert metadata(agent, "port-1", "/ultracloud/variables/PASSWORD", header="Metadata: true") == (200, b"rotated")
    held = [path for path in agent.folder.rglob("*") if path.is_file() and b"rotated" in path.read_bytes()]
    kept = agent.folder / "run" / f"{vm.id}.secrets"
    assert held == []
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    control_plane.wait_gone(vm.id, control_plane.want())
    assert not kept.exists()
    libvirt.remove_tap("tapone")


def test_older_intent_is_refused(guest_files: Guest, control_plane: ControlPlane, agent: AgentProcess) -> None:
    vm = direct_vm(guest_files, 15, power=pb.STOPPED)
    for generation in (1, 2, 3):
        vm.generation = generation
        control_plane.want(vm)
    wait_until(lambda: control_plane.hosts.reports[-1].generation == 3, "generation 3 is reported")
    control_plane.stop()
    control_plane.forget()
    control_plane.start()
    reports = len(control_plane.hosts.reports)
    wait_until(lambda: len(control_plane.hosts.reports) > reports, "the agent is back")
    assert control_plane.hosts.reports[-1].generation == 3
    assert control_plane.hosts.latest(vm.id) is not None


def test_intent_that_cannot_be_read_changes_nothing(
    guest_files: Guest, libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess
) -> None:
    vm = direct_vm(guest_files, 18)
    control_plane.want(vm)
    control_plane.wait(vm.id, "Running")
    control_plane.want(pb.HostVm(id="../../etc"))
    wait_until(lambda: "intent 2 refused: '../../etc' is not the id of a VM" in agent.log(), "the agent says so")
    assert len(libvirt.emulators()) == 1


def test_vms_of_others_are_left_alone(libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess) -> None:
    for name in ("pet", "vm-01jd0000000000000000000099"):
        libvirt.define(
            f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><os><type>hvm</type></os></domain>"
        )
    generation = control_plane.want()
    wait_until(lambda: control_plane.hosts.reports[-1].generation == generation, "the agent has looked")
    assert len(libvirt.domains()) == 2


def test_several_watch_one_console(
    guest_files: Guest, control_plane: ControlPlane, agent: AgentProcess, loop: Loop
) -> None:
    vm = direct_vm(guest_files, 16)
    control_plane.want(vm)
    console_text_when_ready(loop, control_plane, agent, vm.id)
    with watched(loop, agent, vm.id) as first, watched(loop, agent, vm.id) as second:
        console_text(loop, agent, vm.id, "to=all", keys=b"echo to=$(echo all)\n")
        wait_until(lambda: "to=all" in first() and "to=all" in second(), "both see it")


def test_stopped_agent_leaves_vms_running_and_no_sockets(
    guest_files: Guest, libvirt: LibvirtHost, control_plane: ControlPlane, agent: AgentProcess
) -> None:
    vm = direct_vm(guest_files, 17)
    control_plane.want(vm)
    control_plane.wait(vm.id, "Running")
    agent.stop()
    assert len(libvirt.emulators()) == 1
    assert not agent.metadata_socket.exists()
    assert not agent.console_socket.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('host = "no_host"', "host 'no_host' is no host name"),
        ('runtime_dir = "/' + "r" * 99 + '"', "runtime_dir is 100 bytes long"),
        ('acelerator = "tcg"', "did you mean 'accelerator'?"),
        ('accelerator = "xen"', "it must be one of 'auto', 'kvm', 'tcg'"),
    ],
)
def test_wrong_configuration_is_one_clear_sentence(change: str, says: str, tmp_path: Path) -> None:
    lines = {"host": '"node1"', "state_dir": f'"{tmp_path}"', "runtime_dir": '"/run/x"'}
    key, _, value = change.partition(" = ")
    config = tmp_path / "agent.toml"
    config.write_text("\n".join(f"{name} = {text}" for name, text in (lines | {key: value}).items()))
    done = subprocess.run(
        [sys.executable, "-m", "plasmavmc.agent", "check-config", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


# ---- words of these tests --------------------------------------------------------------------------------------------


def console_text_when_ready(loop: Loop, control_plane: ControlPlane, agent: AgentProcess, vm: str) -> str:
    control_plane.wait(vm, "Running")
    return console_text(loop, agent, vm, READY)


def wait_count(control_plane: ControlPlane, vm: str, count: int) -> None:
    def is_reached() -> bool:
        report = control_plane.hosts.latest(vm)
        return report is not None and report.ready and report.reboot_count == count

    wait_until(is_reached, f"start {count} is reported")


def metadata(
    agent: AgentProcess, port: str, path: str, method: str = "GET", header: str = "Accept: */*"
) -> tuple[int, bytes]:
    """What the metadata socket answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(agent.metadata_socket))
        head = f"{method} {path} HTTP/1.1\r\nX-Ultracloud-Port: {port}\r\n{header}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    head_bytes, _, body = answer.partition(b"\r\n\r\n")
    return int(head_bytes.split()[1]), body


@contextlib.contextmanager
def watched(loop: Loop, agent: AgentProcess, vm: str):  # type: ignore[no-untyped-def]
    """What a viewer sees from now on."""
    task, seen = loop.run(agent.watching(vm))
    try:
        yield lambda: b"".join(seen).decode(errors="replace")
    finally:
        loop.run(agent.unwatched(task))
