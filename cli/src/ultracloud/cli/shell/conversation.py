"""A WebSocket to the gateway: what is typed goes there as bytes, what is printed comes back as bytes."""

from __future__ import annotations

import base64
import os
import socket
import ssl
from collections.abc import Mapping

from ultracloud.cli import __version__
from ultracloud.cli.core import frames
from ultracloud.cli.core.failures import Failure, UnreachableFailure
from ultracloud.cli.core.frames import WrongFrameError
from ultracloud.cli.core.problems import printable, refusal
from ultracloud.cli.core.requests import Request
from ultracloud.cli.shell.link import Answer, Link

RAW = "ultracloud.raw"
HEAD_BYTES_MAX, REFUSAL_BYTES_MAX, CHUNK_BYTES = 64 << 10, 1 << 20, 64 << 10
PAYLOAD_BYTES_MAX = 32 << 10
"""Half of what the gateway takes in a frame."""
SWITCHING, FAULTS_BEGIN, FAULTS_END = 101, 4000, 5000
NORMAL, GOING_AWAY = 1000, 1001


class Conversation:
    """One that is open; `ended` once the other side has closed it in order.

    Args:
        link: Where to.
        sock: Connected, the handshake done.
        rest: What came behind the handshake.
    """

    def __init__(self, link: Link, sock: socket.socket, rest: bytes) -> None:
        self.ended = False
        self._link, self._sock, self._rest = link, sock, rest
        self._reader = frames.Reader()

    def fileno(self) -> int:
        """For select."""
        return self._sock.fileno()

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to read that select does not see."""
        return bool(self._rest) or (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0)

    def send(self, typed: bytes) -> None:
        """Send bytes.

        Raises:
            UnreachableFailure: The connection broke.
        """
        for begin in range(0, len(typed), PAYLOAD_BYTES_MAX):
            self._send(frames.BINARY, typed[begin : begin + PAYLOAD_BYTES_MAX])

    def receive(self) -> bytes:
        """What has come; waits for something.

        Raises:
            Failure: The service ended it, with a reason.
            UnreachableFailure: The connection broke.
        """
        data, self._rest = self._rest, b""
        try:
            data = data or self._sock.recv(CHUNK_BYTES)
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error
        if not data:
            raise self._lost("the gateway has closed it without a word")
        try:
            messages = self._reader.feed(data)
        except WrongFrameError as error:
            raise Failure(f"the gateway's console is no WebSocket: {error}") from error
        return b"".join(self._taken(message) for message in messages)

    def close(self) -> None:
        """End it."""
        try:
            self._send(frames.CLOSE, NORMAL.to_bytes(2, "big"))
        except UnreachableFailure:
            pass  # it has ended
        finally:
            self._sock.close()

    def _taken(self, message: frames.Message) -> bytes:
        if message.kind == frames.PING:
            self._send(frames.PONG, message.payload)
        elif message.kind == frames.CLOSE:
            self.ended = True
            _judge(*message.closing)
        return message.payload if message.kind in (frames.TEXT, frames.BINARY) else b""

    def _send(self, kind: int, payload: bytes) -> None:
        try:
            self._sock.sendall(frames.frame(kind, payload, os.urandom(4)))
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error

    def _lost(self, why: str) -> UnreachableFailure:
        return UnreachableFailure(
            f"the connection to {self._link.target.server} broke: {why}", hint="the machine goes on; open it again"
        )


def begin(link: Link, request: Request, headers: Mapping[str, str]) -> Conversation | Answer:
    """Open a conversation; an answer is the server's no.

    Raises:
        UnreachableFailure: There is no connection.
        Failure: The server does not speak WebSocket.
    """
    sock = link.tls_socket()
    key = base64.b64encode(os.urandom(16)).decode()
    said = {
        "Host": link.target.server.partition("://")[2],
        "User-Agent": f"ultracloud-cli/{__version__}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Protocol": RAW,
        **headers,
    }
    lines = [f"GET {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items())]
    try:
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head, rest = _head(sock)
        answer = _answer(sock, head, rest) if _status(head) != SWITCHING else None
    except OSError as error:
        sock.close()
        raise UnreachableFailure(f"the connection to {link.target.server} broke: {error.strerror or error}") from error
    if answer is not None:
        sock.close()
        return answer
    if _fields(head).get("sec-websocket-accept") != frames.accept_of(key):
        sock.close()
        raise Failure("what answers is no WebSocket", hint="is this the gateway's address? `uc doctor` looks")
    # A console may be silent for hours; the gateway asks meanwhile whether we are there.
    sock.settimeout(None)
    return Conversation(link, sock, rest)


def _judge(code: int, reason: str) -> None:
    """Return if a close code is a good end."""
    if FAULTS_BEGIN < code < FAULTS_END:
        like = refusal(code - FAULTS_BEGIN, "", b"", "")
        raise Failure(printable(reason) or like.sentence, hint=like.hint, exit_code=like.exit_code)
    if code == GOING_AWAY:
        raise UnreachableFailure("the gateway is stopping", hint="the machine goes on; open it again")
    if code not in (NORMAL, frames.NO_STATUS):
        raise UnreachableFailure(f"the gateway ended it with code {code}: {printable(reason) or 'no reason'}")


def _head(sock: socket.socket) -> tuple[bytes, bytes]:
    """The answer's head, and what came behind it."""
    held = b""
    while b"\r\n\r\n" not in held:
        data = sock.recv(CHUNK_BYTES)
        if not data or len(held) > HEAD_BYTES_MAX:
            raise ConnectionError("no answer to the handshake")
        held += data
    head, _, rest = held.partition(b"\r\n\r\n")
    return head, rest


def _status(head: bytes) -> int:
    word = head.split(b" ", 2)[1:2]
    return int(word[0]) if word and word[0].isdigit() else 0


def _fields(head: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _answer(sock: socket.socket, head: bytes, rest: bytes) -> Answer:
    """A refusal, with its problem where there is one of a known length."""
    fields = _fields(head)
    length = fields.get("content-length", "0")
    wanted = min(int(length), REFUSAL_BYTES_MAX) if length.isdigit() else 0
    while len(rest) < wanted and (data := sock.recv(CHUNK_BYTES)):
        rest += data
    title = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")[2].partition(" ")[2]
    return Answer(_status(head), title, fields, rest[:wanted])
