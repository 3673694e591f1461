"""What tests put into the networks they build: sockets, servers, frames, and an outside world."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from prismnet.agent.core.state import NamespaceName
from prismnet.agent.shell.namespaces import Namespaces

NETNS = Path("/run/netns")
UPLINK, OUTSIDE = "eth9", "outside"
UPLINK_ADDRESS, OUTSIDE_ADDRESS = "192.0.2.1", "192.0.2.2"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
ETH_P_ALL = 3
SILENCE_S = 0.3
"""How long is listened before it is called silence; what is not dropped arrives within a millisecond."""
ANSWER_S = 5.0


def build_outside() -> None:
    """A namespace that stands for the Internet, on the other end of the uplink."""
    for command in (
        f"ip netns add {OUTSIDE}",
        f"ip link add {UPLINK} type veth peer name eth0 netns {OUTSIDE}",
        f"ip address add {UPLINK_ADDRESS}/24 dev {UPLINK}",
        f"ip link set {UPLINK} up",
        f"ip -n {OUTSIDE} address add {OUTSIDE_ADDRESS}/24 dev eth0",
        f"ip -n {OUTSIDE} link set eth0 up",
        f"ip -n {OUTSIDE} link set lo up",
    ):
        subprocess.run(command.split(), check=True)


@contextlib.contextmanager
def visiting(namespace: str) -> Iterator[None]:
    """This thread in a namespace: for opening sockets, never across an await."""
    namespaces = Namespaces(NETNS)
    try:
        with namespaces.entered(NamespaceName(namespace)):
            yield
    finally:
        namespaces.close()


def packet_socket(namespace: str, link: str = "eth0") -> socket.socket:
    """Sees and sends every frame of a link."""
    with visiting(namespace):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    opened.bind((link, ETH_P_ALL))
    opened.setblocking(False)
    return opened


def open_tap(name: str) -> int:
    """What a hypervisor does with a tap."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


@contextlib.asynccontextmanager
async def echoing(namespace: str, port: int, address: str = "0.0.0.0") -> AsyncIterator[list[str]]:
    """A TCP server in a namespace that answers each line with ``<peer address> <line>``; gives who came."""
    came: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[0]
        came.append(peer)
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(peer.encode() + b" " + line)
        writer.close()

    with visiting(namespace):
        listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((address, port))
    server = await asyncio.start_server(talk, sock=listening)
    try:
        yield came
    finally:
        server.close()


class Connection:
    """A TCP connection from inside a namespace."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, namespace: str, address: str, port: int, timeout_s: float = ANSWER_S) -> Connection:
        """Raises TimeoutError or OSError where nobody answers."""
        with visiting(namespace):
            opened = socket.socket()
        opened.setblocking(False)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(opened, (address, port))
        except (OSError, TimeoutError):
            opened.close()
            raise
        return cls(*await asyncio.open_connection(sock=opened))

    async def ask(self, word: str) -> str:
        """One line there, one back."""
        self._writer.write(word.encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            return (await self._reader.readline()).decode().strip()

    @property
    def segment_bytes(self) -> int:
        """The largest segment that may be sent."""
        return int(self._writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))

    def close(self) -> None:
        self._writer.close()


async def is_answered(namespace: str, address: str, port: int) -> bool:
    """Whether a TCP connection can be made."""
    try:
        connection = await Connection.open(namespace, address, port, SILENCE_S)
    except (OSError, TimeoutError):
        return False
    connection.close()
    return True


async def heard(listener: socket.socket, marker: bytes, timeout_s: float = SILENCE_S) -> bool:
    """Whether a frame with `marker` in it arrives."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            while marker not in await loop.sock_recv(listener, 4096):
                pass
    except TimeoutError:
        return False
    return True


async def all_heard(listener: socket.socket, marker: bytes) -> list[bytes]:
    """Frames with `marker` in them, until it is silent."""
    loop, frames = asyncio.get_running_loop(), []
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(SILENCE_S):
                frame = await loop.sock_recv(listener, 4096)
            if marker in frame:
                frames.append(frame)
    return frames
