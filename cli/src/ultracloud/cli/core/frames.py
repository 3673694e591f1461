"""WebSocket's frames as a client sends and reads them: bytes in, messages out.

Source: RFC 6455: 1.3 (handshake), 5.2 (frames), 5.3 (masking), 5.4 (fragments), 7.4 (close codes).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MESSAGE_BYTES_MAX = 8 << 20
"""As a line of a stream; the gateway's messages are a few kilobytes."""
NO_STATUS, PROTOCOL_ERROR = 1005, 1002
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FINAL, _MASKED, _RESERVED = 0x80, 0x80, 0x70
_SHORT_MAX, _LENGTH_OF_2, _LENGTH_OF_8 = 125, 126, 127
_KINDS = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})


class WrongFrameError(Exception):
    """The server does not speak WebSocket as it should."""


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message, or a control frame."""

    kind: int
    payload: bytes

    @property
    def closing(self) -> tuple[int, str]:
        """Code and reason of a close frame."""
        if len(self.payload) < 2:  # noqa: PLR2004 - the code's
            return NO_STATUS, ""
        return int.from_bytes(self.payload[:2], "big"), self.payload[2:].decode(errors="replace")


def accept_of(key: str) -> str:
    """What the server answers to a key, to show that it has understood."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()


def frame(kind: int, payload: bytes, mask: bytes) -> bytes:
    """One final frame, masked with four bytes that nobody could guess."""
    length = len(payload)
    head = bytes([_FINAL | kind])
    if length <= _SHORT_MAX:
        head += bytes([_MASKED | length])
    elif length < 1 << 16:
        head += bytes([_MASKED | _LENGTH_OF_2]) + length.to_bytes(2, "big")
    else:
        head += bytes([_MASKED | _LENGTH_OF_8]) + length.to_bytes(8, "big")
    keys = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ keys).to_bytes(length, "big")


class Reader:
    """Puts messages together of what comes in pieces."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._parts: list[bytes] = []
        self._kind = CONTINUATION

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are whole by now.

        Raises:
            WrongFrameError: The frames are not those of a server, or too large.
        """
        self._bytes += data
        messages: list[Message] = []
        while (found := self._frame()) is not None:
            kind, is_final, payload = found
            if kind >= CLOSE:
                messages.append(Message(kind, payload))
            elif (message := self._joined(kind, payload, is_final=is_final)) is not None:
                messages.append(message)
        return messages

    def _joined(self, kind: int, payload: bytes, *, is_final: bool) -> Message | None:
        if (kind == CONTINUATION) != bool(self._parts):
            raise WrongFrameError("a message begins within another, or goes on without a beginning")
        self._kind = kind or self._kind
        self._parts.append(payload)
        if sum(map(len, self._parts)) > MESSAGE_BYTES_MAX:
            raise WrongFrameError(f"a message is larger than {MESSAGE_BYTES_MAX >> 20} MiB")
        if not is_final:
            return None
        whole, self._parts = Message(self._kind, b"".join(self._parts)), []
        return whole

    def _frame(self) -> tuple[int, bool, bytes] | None:
        """The next frame, if it is there to its end."""
        held = self._bytes
        if len(held) < 2:  # noqa: PLR2004 - the shortest head
            return None
        kind, length, begin = held[0] & 0x0F, held[1] & 0x7F, 2
        if held[0] & _RESERVED or held[1] & _MASKED or kind not in _KINDS:
            raise WrongFrameError("a frame has bits that no server sets")
        if kind >= CLOSE and (length > _SHORT_MAX or not held[0] & _FINAL):
            raise WrongFrameError("a control frame is long, or in pieces")
        if length >= _LENGTH_OF_2:
            begin = 4 if length == _LENGTH_OF_2 else 10
            if len(held) < begin:
                return None
            length = int.from_bytes(held[2:begin], "big")
        if length > MESSAGE_BYTES_MAX:
            raise WrongFrameError(f"a frame is larger than {MESSAGE_BYTES_MAX >> 20} MiB")
        if len(held) < begin + length:
            return None
        payload = bytes(held[begin : begin + length])
        is_final = bool(held[0] & _FINAL)
        del self._bytes[: begin + length]
        return kind, is_final, payload
