"""Kernel settings of the calling thread's network namespace.

Source: Linux, Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/proc/sys")


def read(name: str) -> str | None:
    """The value of e.g. ``net.ipv4.conf.eth0.forwarding``; None if this kernel or namespace has no such setting."""
    try:
        return path_of(name).read_text().strip()
    except FileNotFoundError:
        return None


def write(name: str, value: str) -> None:
    """Set a value; a kernel without IPv6 has nothing to switch off."""
    try:
        path_of(name).write_text(value)
    except FileNotFoundError:
        if not name.startswith("net.ipv6."):
            raise


def path_of(name: str) -> Path:
    """Dots part the name; but a link's name, after ``conf``, may itself contain some."""
    if ".conf." not in name:
        return ROOT / name.replace(".", "/")
    head, _, tail = name.partition(".conf.")
    link, _, leaf = tail.rpartition(".")
    return ROOT / head.replace(".", "/") / "conf" / link / leaf
