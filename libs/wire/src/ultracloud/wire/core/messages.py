"""gRPC's framing inside a stream: a flag, a length, a message, again and again.

Source: gRPC over HTTP2, "Length-Prefixed-Message".
"""

from __future__ import annotations

import struct

from ultracloud.wire.core.heads import Refusal
from ultracloud.wire.core.status import INTERNAL, RESOURCE_EXHAUSTED, UNIMPLEMENTED

PREFIX = struct.Struct(">BI")
PREFIX_BYTES = PREFIX.size
PART_BYTES_MIN = 1024
"""Parts of a message that are kept as they came; an object costs less than a tenth of that."""


class RefusedMessageError(Exception):
    """A message that cannot be taken; its call is answered with the refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Assembler:
    """Makes messages of one stream's DATA, however it was cut."""

    __slots__ = ("_body_bytes", "_bytes_max", "_length", "_parts", "_prefix", "_tail")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._prefix = b""
        self._length: int | None = None
        """What the message at hand will have; None while its prefix is coming."""
        self._body_bytes = 0
        # Large parts are joined once. Small ones go into one buffer: a client that sends byte by byte would otherwise
        # make us hold an object for each.
        self._parts: list[bytes] = []
        self._tail = bytearray()

    @property
    def unfinished_bytes(self) -> int:
        """Bytes held that do not make a message yet."""
        return len(self._prefix) + self._body_bytes

    def feed(self, chunk: bytes | memoryview) -> list[bytes]:
        """Take bytes; give the messages they complete.

        Raises:
            RefusedMessageError: A prefix announces a message over the limit, or a compressed one.
        """
        messages: list[bytes] = []
        at, size = 0, len(chunk)
        while at < size:
            if self._length is None:
                missing = PREFIX_BYTES - len(self._prefix)
                self._prefix += chunk[at : at + missing]
                at += missing
                if len(self._prefix) < PREFIX_BYTES:
                    break
                flag, self._length = PREFIX.unpack(self._prefix)
                self._check(flag, self._length)
            part = bytes(chunk[at : at + self._length - self._body_bytes])
            at += len(part)
            if self._body_bytes + len(part) < self._length:
                self._hold(part)
            else:
                messages.append(self._finish(part))
        return messages

    def _hold(self, part: bytes) -> None:
        """Keep a part of a message."""
        self._body_bytes += len(part)
        if len(part) < PART_BYTES_MIN:
            self._tail += part
            return
        if self._tail:
            self._parts.append(bytes(self._tail))
            self._tail.clear()
        self._parts.append(part)

    def _finish(self, last: bytes) -> bytes:
        """The message that `last` completes."""
        message = b"".join([*self._parts, self._tail, last]) if self._body_bytes else last
        self._prefix, self._length, self._body_bytes = b"", None, 0
        self._parts.clear()
        self._tail.clear()
        return message

    def _check(self, flag: int, length: int) -> None:
        """Refuse what a prefix announces before its bytes have come."""
        if flag == 1:
            message = "compressed messages are not accepted; send them uncompressed"
            raise RefusedMessageError(Refusal(UNIMPLEMENTED, message, identity_only=True))
        if flag:
            raise RefusedMessageError(Refusal(INTERNAL, f"message flag {flag} is not one of gRPC's"))
        if length > self._bytes_max:
            # grpc-go's words: clients of etcd match on them.
            message = f"grpc: received message larger than max ({length} vs. {self._bytes_max})"
            raise RefusedMessageError(Refusal(RESOURCE_EXHAUSTED, message))
