"""gRPC's framing inside a stream: a flag, a length, a message, again and again.

Source: gRPC over HTTP2, "Length-Prefixed-Message".
"""

from __future__ import annotations

import struct

from ultracloud.wire.core.heads import Refusal
from ultracloud.wire.core.status import INTERNAL, RESOURCE_EXHAUSTED, UNIMPLEMENTED

PREFIX = struct.Struct(">BI")
PREFIX_BYTES = PREFIX.size


class RefusedMessageError(Exception):
    """A message that cannot be taken; its call is answered with the refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Assembler:
    """Makes messages of one stream's DATA, however it was cut."""

    __slots__ = ("_bytes_max", "_needed", "_parts", "unfinished_bytes")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._parts: list[bytes] = []
        self._needed = PREFIX_BYTES
        self.unfinished_bytes = 0
        """Bytes held that do not make a message yet."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes; give the messages they complete.

        Raises:
            RefusedMessageError: A prefix announces a message over the limit, or a compressed one.
        """
        self._parts.append(chunk)
        self.unfinished_bytes += len(chunk)
        if self.unfinished_bytes < self._needed:
            return []
        return self._cut(chunk if len(self._parts) == 1 else b"".join(self._parts))

    def _cut(self, held: bytes) -> list[bytes]:
        """Cut all whole messages off the front of `held` and keep the rest."""
        messages: list[bytes] = []
        at, size = 0, len(held)
        self._needed = PREFIX_BYTES
        while size - at >= PREFIX_BYTES:
            flag, length = PREFIX.unpack_from(held, at)
            self._check(flag, length)
            end = at + PREFIX_BYTES + length
            if end > size:
                self._needed = PREFIX_BYTES + length
                break
            messages.append(held[at + PREFIX_BYTES : end])
            at = end
        rest = held[at:]
        self._parts = [rest] if rest else []
        self.unfinished_bytes = len(rest)
        return messages

    def _check(self, flag: int, length: int) -> None:
        """Refuse what a prefix announces before its bytes have come."""
        if flag == 1:
            message = "compressed messages are not accepted; send them uncompressed"
            raise RefusedMessageError(Refusal(UNIMPLEMENTED, message, identity_only=True))
        if flag:
            raise RefusedMessageError(Refusal(INTERNAL, f"message flag {flag} is not one of gRPC's"))
        if length > self._bytes_max:
            message = f"a message of {length} bytes; at most {self._bytes_max} are accepted"
            raise RefusedMessageError(Refusal(RESOURCE_EXHAUSTED, message))
