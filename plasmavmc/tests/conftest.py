"""What several tests stand on."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import guest
import pytest
from agents import AgentProcess, ControlPlane, Loop
from hypothesis import settings
from libvirt_host import LibvirtHost, libvirt_host

# How long an example takes says how busy the machine is: guests boot beside it.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a path short enough for sockets, and with a space in it."""
    made = Path(tempfile.mkdtemp(prefix="p v"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture(scope="session")
def guest_files() -> guest.Guest:
    """The test guest; tests that need it are skipped where no kernel can be had."""
    try:
        return guest.build()
    except guest.NoGuestError as error:
        pytest.skip(f"no guest to boot: {error}")


@pytest.fixture(scope="session")
def libvirt() -> Iterator[LibvirtHost]:
    """A libvirtd of the session's own; each test's VMs are gone when its agent's folder is."""
    if os.geteuid():
        pytest.skip("needs root: it makes namespaces")
    for program in ("libvirtd", "qemu-system-x86_64"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    folder = Path(tempfile.mkdtemp(prefix="lv"))
    with libvirt_host(folder) as host:
        yield host
    shutil.rmtree(folder)


@pytest.fixture
def control_plane(loop: Loop, short_path: Path) -> Iterator[ControlPlane]:
    made = ControlPlane(loop, short_path / "s.sock")
    yield made
    made.stop()


@pytest.fixture
def agent(libvirt: LibvirtHost, control_plane: ControlPlane, short_path: Path) -> Iterator[AgentProcess]:
    """A running agent without VMs."""
    made = AgentProcess(libvirt, control_plane.socket, short_path)
    made.start()
    yield made
    made.kill()
    libvirt.clear()
