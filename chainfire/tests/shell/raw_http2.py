"""HTTP/2 by hand: what no library would send, and what no library would leave unread."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import cache

from google.protobuf.message import Message
from hpack import Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM = 1
END_HEADERS = 4
INITIAL_WINDOW_SIZE = 4
HUGE = 2**31 - 1
ENHANCE_YOUR_CALM = 11
TIMEOUT_S = 15.0


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """A frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


@cache
def head(path: str) -> bytes:
    """The header block of a call. It leaves the table alone, so that it may be said again."""
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", path),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    return bytes(Encoder().encode([(*field, True) for field in fields], huffman=False))


def framed(message: Message) -> bytes:
    """A gRPC message."""
    body = message.SerializeToString()
    return b"\0" + len(body).to_bytes(4, "big") + body


def call(stream: int, path: str, *said: Message, end: bool = True) -> bytes:
    """A call: its head and its messages."""
    body = b"".join(map(framed, said))
    parts = [frame(HEADERS, END_HEADERS, stream, head(path))]
    parts += [frame(DATA, 0, stream, body[at : at + 16_384]) for at in range(0, len(body), 16_384)]
    if end:
        parts.append(frame(DATA, END_STREAM, stream))
    return b"".join(parts)


class RawHttp2(socket.socket):
    """A connection that reads only when it is told to, and grants the server any window."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        super().__init__()
        # A small buffer: what is not read here stays with the server.
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self.settimeout(TIMEOUT_S)
        self.connect((host, int(port)))
        window = INITIAL_WINDOW_SIZE.to_bytes(2, "big") + HUGE.to_bytes(4, "big")
        self.sendall(PREFACE + frame(SETTINGS, payload=window))
        self.sendall(frame(WINDOW_UPDATE, payload=(HUGE - 65_535).to_bytes(4, "big")))

    def frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """What the server says, to the end: kind, flags, stream, payload."""
        heard = b""
        while True:
            while len(heard) >= 9 and len(heard) >= 9 + int.from_bytes(heard[:3], "big"):
                end = 9 + int.from_bytes(heard[:3], "big")
                yield heard[3], heard[4], int.from_bytes(heard[5:9], "big"), heard[9:end]
                heard = heard[end:]
            try:
                more = self.recv(65_536)
            except ConnectionError:
                return
            if not more:
                return
            heard += more

    def goaway(self) -> int | None:
        """The code that the server ends the connection with; None if it just ends."""
        for kind, _, _, payload in self.frames():
            if kind == GOAWAY:
                return int.from_bytes(payload[4:8], "big")
        return None
