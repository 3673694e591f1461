"""Sockets inside other network namespaces, without running a program there.

A thread enters the namespace, makes the socket and ends; the socket stays where it was made, and asyncio uses it like
any other. The process itself never leaves its own namespace.

Source: setns(2): a network namespace belongs to a thread; socket(7): a socket belongs to where it was made.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace, by a path that leads to it from here."""

    path: Path

    @property
    def is_there(self) -> bool:
        """Whether it can be entered: while one is made, its path is an empty file for a moment."""
        try:
            return self.path.stat().st_dev != self.path.parent.stat().st_dev
        except FileNotFoundError:
            return False

    def tcp_socket(self) -> socket.socket:
        """Make a non-blocking TCP socket inside.

        Raises:
            OSError: The namespace is gone, or entering it is not allowed.
        """
        return self._inside(_tcp_socket)

    def listener(self, address: str, port: int) -> socket.socket:
        """Make a listening TCP socket inside.

        Raises:
            OSError: As above, or the address is not there.
        """

        def listen() -> socket.socket:
            listening = _tcp_socket()
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((address, port))
            listening.listen()
            return listening

        return self._inside(listen)

    def _inside(self, make: Callable[[], ResultT]) -> ResultT:
        """Run `make` in a thread that has entered the namespace."""
        made: list[ResultT] = []
        failed: list[OSError] = []

        def enter_and_make() -> None:
            try:
                _enter(self.path)
                made.append(make())
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=enter_and_make, name="enter namespace")
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]


def _enter(path: Path) -> None:
    """Move the calling thread into a namespace."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.setns(descriptor, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)


def _tcp_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
