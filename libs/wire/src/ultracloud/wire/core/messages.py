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

    __slots__ = ("_bytes_max", "_held", "_needed")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        # One buffer and no list of parts: a client that sends byte by byte would make us hold an object for each.
        self._held = bytearray()
        self._needed = PREFIX_BYTES

    @property
    def unfinished_bytes(self) -> int:
        """Bytes held that do not make a message yet."""
        return len(self._held)

    def feed(self, chunk: bytes | memoryview) -> list[bytes]:
        """Take bytes; give the messages they complete.

        Raises:
            RefusedMessageError: A prefix announces a message over the limit, or a compressed one.
        """
        if not self._held:
            messages, taken = self._cut(chunk)
            self._held += chunk[taken:]
            return messages
        self._held += chunk
        if len(self._held) < self._needed:
            return []
        messages, taken = self._cut(self._held)
        del self._held[:taken]
        return messages

    def _cut(self, held: bytes | bytearray | memoryview) -> tuple[list[bytes], int]:
        """All whole messages at the front of `held`, and how many bytes they take."""
        messages: list[bytes] = []
        at, size = 0, len(held)
        self._needed = PREFIX_BYTES
        with memoryview(held) as view:
            while size - at >= PREFIX_BYTES:
                flag, length = PREFIX.unpack_from(view, at)
                self._check(flag, length)
                end = at + PREFIX_BYTES + length
                if end > size:
                    self._needed = PREFIX_BYTES + length
                    break
                messages.append(bytes(view[at + PREFIX_BYTES : end]))
                at = end
        return messages, at

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
