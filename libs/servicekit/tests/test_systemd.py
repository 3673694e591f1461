from __future__ import annotations

import os
import socket
from pathlib import Path

from ultracloud.servicekit import systemd


def test_a_message_arrives_at_the_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        assert systemd.notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert listener.recv(100) == b"READY=1"


def test_nobody_listens_without_a_socket(tmp_path: Path) -> None:
    assert not systemd.notify("READY=1", {})
    assert not systemd.notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})


def test_the_watchdog_beats_twice_as_often_as_asked() -> None:
    assert systemd.watchdog_s({"WATCHDOG_USEC": "10000000"}) == 5.0
    assert systemd.watchdog_s({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}) == 5.0
    assert systemd.watchdog_s({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}) is None
    assert systemd.watchdog_s({}) is None
    assert systemd.watchdog_s({"WATCHDOG_USEC": "soon"}) is None
