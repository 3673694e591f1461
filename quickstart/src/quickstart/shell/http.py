"""As much HTTP/1.0 as proofs need: one GET from inside a namespace, and a server outside that tells who called.

Source: RFC 1945.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from quickstart.shell.netns import Namespace

PORT = 80
ANSWER_BYTES_MAX = 64 * 1024
UNKNOWN = "none"
"""What the guest's page shows for what it was not told."""
ATTEMPT_EVERY_S = 0.05
ATTEMPT_S = 1.0
"""A lost SYN is sent again after a second; a fresh attempt is quicker than that."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answered GET."""

    text: str
    seconds: float

    def field(self, name: str) -> str:
        """The value of a line ``name: value``; empty if there is none."""
        for line in self.text.splitlines():
            key, colon, value = line.partition(": ")
            if colon and key == name:
                return value.strip()
        return ""

    def has(self, name: str) -> bool:
        """Whether the guest knows this fact by now."""
        return self.field(name) not in ("", UNKNOWN)


async def get(namespace: Namespace, address: str, path: str = "/", timeout_s: float = ATTEMPT_S) -> Page | None:
    """GET a page; None if nothing answers within `timeout_s`."""
    begun = time.monotonic()
    loop = asyncio.get_running_loop()
    with namespace.tcp_socket() as client:
        try:
            async with asyncio.timeout(timeout_s):
                await loop.sock_connect(client, (address, PORT))
                await loop.sock_sendall(client, f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
                answer = await _read_all(client)
        except (TimeoutError, OSError):
            return None
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        return None
    return Page(body.decode(errors="replace"), time.monotonic() - begun)


async def wait_answered(
    namespace: Namespace, address: str, path: str, timeout_s: float, is_wanted: Callable[[Page], bool] = lambda _: True
) -> Page:
    """Ask again and again, without waiting for one attempt to fail, until one is answered as wanted.

    Raises:
        TimeoutError: None was within `timeout_s`.
    """
    attempts: set[asyncio.Task[Page | None]] = set()
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                attempts.add(asyncio.create_task(get(namespace, address, path)))
                done, attempts = await asyncio.wait(attempts, timeout=ATTEMPT_EVERY_S)
                for attempt in done:
                    page = attempt.result()
                    if page is not None and is_wanted(page):
                        return page
                if done:
                    await asyncio.sleep(ATTEMPT_EVERY_S)
    except TimeoutError:
        raise TimeoutError(f"http://{address}{path} did not answer within {timeout_s:g} s") from None
    finally:
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)


async def wait_refused(namespace: Namespace, address: str, timeout_s: float, attempt_s: float = 0.6) -> None:
    """Ask until nothing answers twice in a row.

    Raises:
        TimeoutError: It still answered after `timeout_s`.
    """
    silent = 0
    try:
        async with asyncio.timeout(timeout_s):
            while silent < 2:  # noqa: PLR2004 - once could be a lost packet
                page = await get(namespace, address, timeout_s=attempt_s)
                silent = silent + 1 if page is None else 0
    except TimeoutError:
        raise TimeoutError(f"http://{address}/ was still answered after {timeout_s:g} s") from None


async def _read_all(client: socket.socket) -> bytes:
    """Everything until the other side closes."""
    loop = asyncio.get_running_loop()
    answer = b""
    while len(answer) < ANSWER_BYTES_MAX and (chunk := await loop.sock_recv(client, 4096)):
        answer += chunk
    return answer


class OutsideServer:
    """A web server outside the cloud that remembers from which addresses it was called."""

    def __init__(self) -> None:
        self.callers: list[str] = []
        self._called = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self, namespace: Namespace, address: str) -> None:
        """Listen inside `namespace`."""
        listening = namespace.listener(address, PORT)
        self._server = await asyncio.start_server(self._answer, sock=listening)

    async def wait_called(self, timeout_s: float) -> str:
        """The address of the first caller.

        Raises:
            TimeoutError: Nobody called within `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._called.wait()
        except TimeoutError:
            raise TimeoutError(f"nobody called the server outside within {timeout_s:g} s") from None
        return self.callers[0]

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Tell the caller which address it was seen at."""
        caller = writer.get_extra_info("peername")[0]
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
            body = f"you are {caller}\n".encode()
            head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
            self.callers.append(caller)
            self._called.set()
        writer.close()


class Poller:
    """Asks a page all the time and counts the answers: what a person would see while something else breaks."""

    def __init__(self, namespace: Namespace, address: str) -> None:
        self._namespace = namespace
        self._address = address
        self._task: asyncio.Task[None] | None = None
        self.answered = 0
        self.lost = 0

    def start(self) -> None:
        """Begin asking."""
        self._task = asyncio.create_task(self._ask(), name="poll the guest")

    async def stop(self) -> None:
        """End asking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _ask(self) -> None:
        while True:
            if await get(self._namespace, self._address) is None:
                self.lost += 1
            else:
                self.answered += 1
            await asyncio.sleep(ATTEMPT_EVERY_S)
