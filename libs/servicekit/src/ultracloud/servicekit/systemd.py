"""Tell systemd how we are: ready, stopping, still alive. Without systemd (no NOTIFY_SOCKET) nothing is sent.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def notify(message: str, env: Mapping[str, str] = os.environ) -> bool:
    """Send ``READY=1``, ``STOPPING=1``, ``STATUS=...`` or ``WATCHDOG=1``; tells whether anybody listens."""
    path = env.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    # A leading @ means Linux's abstract namespace, which begins with a zero byte.
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(message.encode(), address)
    except OSError:  # systemd went away: there is nobody to tell, and nothing else to do about it
        return False
    return True


def watchdog_s(env: Mapping[str, str] = os.environ) -> float | None:
    """How often to say ``WATCHDOG=1``: twice as often as asked; None if nobody asks."""
    if env.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    asked_us = env.get("WATCHDOG_USEC", "")
    return int(asked_us) / 2e6 if asked_us.isdigit() and int(asked_us) else None
