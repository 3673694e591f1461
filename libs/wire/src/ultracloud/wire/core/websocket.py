"""WebSocket, the server's side: the handshake, frames into messages, and messages into frames.

Bytes go in and whole messages come out, however they were cut and fragmented. After something that breaks the protocol,
and after the client's Close, nothing more is read. No extension is ever agreed to, so every reserved bit is an error.

Source: RFC 6455; IANA's WebSocket close codes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from ultracloud.wire.core.http1_heads import BadRequest

VERSION = "13"
CONTROL_BYTES_MAX = 125
"""RFC 6455 5.5: control frames are short and whole."""
REASON_BYTES_MAX = CONTROL_BYTES_MAX - 2
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
"""Codes below 3000 that may stand in a frame; the others are for what no frame said."""
_OWN_CODES = range(3000, 5000)
_BIT_FINAL, _BITS_RESERVED, _BITS_OPCODE, _BIT_MASK, _BITS_LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_HEAD_BYTES_MIN, _MASK_BYTES = 2, 4
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_LENGTH_BYTES = {_TWO_BYTES: 2, _EIGHT_BYTES: 8}
"""Bytes of the length behind a short one that says so."""
_LEAST = {_TWO_BYTES: 126, _EIGHT_BYTES: 65_536}
"""What a longer length must at least be: RFC 6455 5.2 wants the shortest."""


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """Why a conversation ends, as far as this module says it."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    NOT_TEXT = 1007
    TOO_BIG = 1009
    INTERNAL = 1011


_OPCODES = frozenset(int(each) for each in Opcode)


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message; text is valid UTF-8."""

    octets: bytes
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    """The client wants a Pong with the same bytes."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The client lives."""


@dataclass(frozen=True, slots=True)
class Close:
    """The client ends the conversation; `code` is None if it does not say why."""

    code: int | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """Not the protocol, or more of it than is taken: close with this."""

    code: CloseCode
    reason: str


Event: TypeAlias = Message | Ping | Pong | Close | Violation


def accept(method: str, fields: Mapping[str, str]) -> str | BadRequest:
    """The answer to a handshake's key, or why it is none.

    Args:
        method: Of the request.
        fields: Its header fields, names in lower case.
    """
    if fields.get("sec-websocket-version") != VERSION:
        wanted = {"upgrade": "websocket", "sec-websocket-version": VERSION}
        return BadRequest(426, f"the only version of WebSocket served here is {VERSION}", wanted)
    key = fields.get("sec-websocket-key", "")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key or method != "GET" or not wants_websocket(fields):
        return BadRequest(400, "this is no handshake of WebSocket")
    # The digest proves that we read the key as one of WebSocket; it guards nothing (RFC 6455 10.8).
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def wants_websocket(fields: Mapping[str, str]) -> bool:
    """Whether a request asks for a WebSocket; whether it asks well is `accept`'s matter."""
    options = {option.strip().lower() for option in fields.get("connection", "").split(",")}
    return fields.get("upgrade", "").lower() == "websocket" and "upgrade" in options


def render_switch(accepted: str, fields: Mapping[str, str]) -> bytes:
    """The head that answers a handshake."""
    lines = ["HTTP/1.1 101 Switching Protocols", "upgrade: websocket", "connection: Upgrade"]
    lines += [f"sec-websocket-accept: {accepted}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def render_frame(opcode: Opcode, octets: bytes) -> bytes:
    """One whole frame of a server, which never masks."""
    size = len(octets)
    if size < _TWO_BYTES:
        head = bytes((_BIT_FINAL | opcode, size))
    elif size < _LEAST[_EIGHT_BYTES]:
        head = bytes((_BIT_FINAL | opcode, _TWO_BYTES)) + size.to_bytes(2, "big")
    else:
        head = bytes((_BIT_FINAL | opcode, _EIGHT_BYTES)) + size.to_bytes(8, "big")
    return head + octets


def render_close(code: int | None, reason: str = "") -> bytes:
    """A Close frame; a long reason is cut between two characters."""
    if code is None:
        return render_frame(Opcode.CLOSE, b"")
    told = reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore").encode()
    return render_frame(Opcode.CLOSE, code.to_bytes(2, "big") + told)


def masked(octets: bytes, mask: bytes) -> bytes:
    """Bytes under a mask of four, or out from under it."""
    size = len(octets)
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(octets, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


class WebSocketReader:
    """Makes messages of bytes.

    Args:
        message_bytes_max: Most that a message may have, all its fragments together.
    """

    __slots__ = ("_buffer", "_is_over", "_is_text", "_message", "_message_bytes_max")

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self._buffer = bytearray()
        self._message: bytearray | None = None
        """The fragments that have come of a message."""
        self._is_text = False
        self._is_over = False

    def receive(self, octets: bytes) -> list[Event]:
        """Take bytes; give what they complete."""
        events: list[Event] = []
        if not self._is_over:
            self._buffer += octets
        while not self._is_over and (frame := self._frame()) is not None:
            event = frame if isinstance(frame, Violation) else self._take(*frame)
            if event is not None:
                events.append(event)
            if isinstance(event, (Violation, Close)):
                self._is_over = True
                self._buffer.clear()
        return events

    def _frame(self) -> tuple[Opcode, bool, bytes] | Violation | None:
        """The next frame: what it is, whether it ends its message, its bytes. None if it has not come whole."""
        sized = self._sized()
        if sized is None or isinstance(sized, Violation):
            return sized
        begins, size = sized
        buffer, end = self._buffer, begins + _MASK_BYTES + size
        if len(buffer) < end:
            return None
        octets = masked(bytes(buffer[begins + _MASK_BYTES : end]), bytes(buffer[begins : begins + _MASK_BYTES]))
        opcode, is_final = Opcode(buffer[0] & _BITS_OPCODE), bool(buffer[0] & _BIT_FINAL)
        del buffer[:end]
        return opcode, is_final, octets

    def _sized(self) -> tuple[int, int] | Violation | None:
        """Where the next frame's mask begins, and how many bytes it has."""
        buffer = self._buffer
        if len(buffer) < _HEAD_BYTES_MIN:
            return None
        short = buffer[1] & _BITS_LENGTH
        objection = _objection(buffer[0], buffer[1], short)
        if objection:
            return Violation(CloseCode.PROTOCOL_ERROR, objection)
        begins = _HEAD_BYTES_MIN + _LENGTH_BYTES.get(short, 0)
        if len(buffer) < begins:
            return None
        size = short if begins == _HEAD_BYTES_MIN else int.from_bytes(buffer[_HEAD_BYTES_MIN:begins], "big")
        if size < _LEAST.get(short, 0):
            return Violation(CloseCode.PROTOCOL_ERROR, "a length that is longer than it need be")
        if buffer[0] & _BITS_OPCODE < Opcode.CLOSE and size + len(self._message or b"") > self._message_bytes_max:
            sentence = f"the message is too large; at most {self._message_bytes_max} bytes are accepted"
            return Violation(CloseCode.TOO_BIG, sentence)
        return begins, size

    def _take(self, opcode: Opcode, is_final: bool, octets: bytes) -> Event | None:  # noqa: FBT001
        match opcode:
            case Opcode.PING:
                return Ping(octets)
            case Opcode.PONG:
                return Pong()
            case Opcode.CLOSE:
                return _close(octets)
            case _:
                return self._part(opcode, is_final, octets)

    def _part(self, opcode: Opcode, is_final: bool, octets: bytes) -> Message | Violation | None:  # noqa: FBT001
        """Take a fragment; the message if it is whole now."""
        if (opcode is Opcode.CONTINUATION) != (self._message is not None):
            return Violation(CloseCode.PROTOCOL_ERROR, "a fragment out of its turn")
        if self._message is None:
            self._message, self._is_text = bytearray(), opcode is Opcode.TEXT
        self._message += octets
        if not is_final:
            return None
        whole, self._message = bytes(self._message), None
        if self._is_text and not _is_utf8(whole):
            return Violation(CloseCode.NOT_TEXT, "text that is no UTF-8")
        return Message(whole, self._is_text)


def _objection(first: int, second: int, short: int) -> str:
    """What is wrong with the first two bytes of a frame; nothing is empty."""
    if first & _BITS_RESERVED or first & _BITS_OPCODE not in _OPCODES:
        return "a frame of no kind that was agreed on"
    if not second & _BIT_MASK:
        return "a frame without a mask"
    if first & _BITS_OPCODE >= Opcode.CLOSE and (not first & _BIT_FINAL or short > CONTROL_BYTES_MAX):
        return "a control frame that is long or in parts"
    return ""


def _close(octets: bytes) -> Close | Violation:
    """What a Close frame says."""
    if not octets:
        return Close()
    code = int.from_bytes(octets[:2], "big")
    if len(octets) < 2 or not (code in _CLOSE_CODES or code in _OWN_CODES):  # noqa: PLR2004 - a code has two bytes
        return Violation(CloseCode.PROTOCOL_ERROR, "a close with no code that a frame may have")
    if not _is_utf8(octets[2:]):
        return Violation(CloseCode.NOT_TEXT, "a reason that is no UTF-8")
    return Close(code)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
