"""The frame layer between members: what cuts a stream of bytes into checked pieces.

Each side begins with a preface, which names the protocol and the versions it speaks; frames follow. A frame is a word
of length and kind, a checksum, and a body. The word is the start of the checksum, so one pass covers both. Preface,
frame layout and the kind of a refusal stay as they are in every later version, so that versions that do not understand
each other can say so.

Source: the layout is ours; the checksum is the CRC-32 of ISO 3309, as in our log and snapshots. TCP's own sum of 16
bits lets about one damaged segment in 65,536 through.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

MAGIC = b"CHNFPEER"
VERSION = 1
"""The one version there is; a preface tells the oldest and the newest that its sender speaks."""
KIND_BITS = 6
FRAME_BYTES_MAX = (1 << (32 - KIND_BITS)) - 1
"""64 MiB less one byte, what the word has room for: some forty requests of the largest size in one message."""
GREETING_BYTES_MAX = 4096
"""Before a handshake is done a stranger gets no more of our memory than a refusal's sentence needs."""
TLS_HANDSHAKE = 0x16
"""RFC 8446 5.1: the first byte of whoever speaks TLS to a port that does not."""

_PREFACE = struct.Struct("<8sHH")
PREFACE_BYTES = _PREFACE.size
_HEAD = struct.Struct("<II")
HEAD_BYTES = _HEAD.size
_KIND_MASK = (1 << KIND_BITS) - 1


class MalformedError(ValueError):
    """Bytes that no member sends: another protocol, another version, or damage."""


class FrameTooLongError(ValueError):
    """What is to be said is longer than a frame may be."""


@dataclass(frozen=True, slots=True)
class Preface:
    """The versions that one side speaks, both included."""

    oldest: int = VERSION
    newest: int = VERSION


def render_preface(preface: Preface) -> bytes:
    """Give the first PREFACE_BYTES of a connection."""
    return _PREFACE.pack(MAGIC, preface.oldest, preface.newest)


def parse_preface(start: bytes) -> Preface | None:
    """Read what `render_preface` made; None while it is not all there.

    Raises:
        MalformedError: It is another protocol.
    """
    if start[: len(MAGIC)] != MAGIC[: len(start)]:
        if start[0] == TLS_HANDSHAKE:
            raise MalformedError("the other side speaks TLS, this one does not; use https:// or http:// on both")
        raise MalformedError(f"the first bytes {start[: len(MAGIC)]!r} are not of the protocol of chainfire's members")
    if len(start) < PREFACE_BYTES:
        return None
    _, oldest, newest = _PREFACE.unpack_from(start)
    return Preface(oldest, newest)


def common_version(theirs: Preface) -> int:
    """The newest version that both sides speak.

    Raises:
        MalformedError: There is none.
    """
    if theirs.oldest <= VERSION <= theirs.newest:
        return VERSION
    raise MalformedError(
        f"the other side speaks versions {theirs.oldest} to {theirs.newest} of the peer protocol, this one {VERSION}"
    )


def render_frame(kind: int, *parts: bytes) -> list[bytes]:
    """The bytes of a frame, in pieces for one join; together `parts` have at most FRAME_BYTES_MAX bytes.

    Raises:
        FrameTooLongError: They have more.
    """
    length = sum(map(len, parts))
    if length > FRAME_BYTES_MAX:
        raise FrameTooLongError(f"a frame of {length} bytes is over {FRAME_BYTES_MAX}")
    word = length << KIND_BITS | kind
    checksum = word
    for part in parts:
        checksum = crc32(part, checksum)
    return [_HEAD.pack(word, checksum), *parts]


class FrameReader:
    """Cuts what arrives into frames; keeps what is not whole yet, and copies it once.

    Attributes:
        body_bytes_max: Longest body that is welcome now.
    """

    def __init__(self) -> None:
        self.body_bytes_max = GREETING_BYTES_MAX
        self._pieces: list[bytes] = []
        self._held = 0
        self._wanted = HEAD_BYTES

    @property
    def held_bytes(self) -> int:
        """Bytes of a frame that is not whole."""
        return self._held

    def frames(self, octets: bytes) -> Iterator[tuple[int, bytes]]:
        """Give kind and body of each frame that is whole now; to be exhausted before the next call.

        Raises:
            MalformedError: A frame is too long or damaged. Those before it were given.
        """
        if self._pieces:
            self._pieces.append(octets)
            self._held += len(octets)
            if self._held < self._wanted:
                return
            octets = b"".join(self._pieces)
            self._pieces.clear()
        at, end = 0, len(octets)
        while end - at >= HEAD_BYTES:
            word, checksum = _HEAD.unpack_from(octets, at)
            length = word >> KIND_BITS
            if length > self.body_bytes_max:
                raise MalformedError(f"a frame of {length} bytes; at most {self.body_bytes_max} are expected here")
            start = at + HEAD_BYTES
            if start + length > end:
                break
            at = start + length
            body = octets[start:at]
            if crc32(body, word) != checksum:
                raise MalformedError(f"a frame of {length} bytes does not match its checksum")
            yield word & _KIND_MASK, body
        self._keep(octets, at)

    def _keep(self, octets: bytes, at: int) -> None:
        """Hold what follows the last whole frame."""
        self._held = len(octets) - at
        self._wanted = HEAD_BYTES
        if self._held:
            self._pieces.append(octets[at:] if at else octets)
        if self._held >= HEAD_BYTES:
            self._wanted += _HEAD.unpack_from(octets, at)[0] >> KIND_BITS
