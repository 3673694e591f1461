"""What the tests of this member share: intents to plan from, and a network of one's own to build in."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

CLONE_FS, CLONE_NEWNS, CLONE_NEWNET = 0x0000_0200, 0x0002_0000, 0x4000_0000


@pytest.fixture
def own_network() -> Iterator[None]:
    """The test's thread, and every process and thread it starts, in a new network with a /run/netns of its own."""
    if os.geteuid():
        pytest.skip("needs root: it makes network namespaces")
    libc = ctypes.CDLL(None, use_errno=True)
    homes = [os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY) for kind in ("net", "mnt")]
    here = Path.cwd()
    assert libc.unshare(CLONE_NEWNS | CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    try:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        Path("/run/netns").mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run/netns"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        # Threads that this one started share its root and folder, which a change of mount namespace forbids.
        assert libc.unshare(CLONE_FS) == 0, os.strerror(ctypes.get_errno())
        for home in homes:
            assert libc.setns(home, 0) == 0, os.strerror(ctypes.get_errno())
            os.close(home)
        os.chdir(here)
