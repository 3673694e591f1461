r"""Bodies of S3 requests that come in chunks, each with a signature, and with trailers behind them. Pure, bytes in.

    <size in hexadecimal>;chunk-signature=<64 digits>\r\n<that many bytes>\r\n
    ...
    0;chunk-signature=<64 digits>\r\n
    x-amz-checksum-crc32c:<value>\r\n
    x-amz-trailer-signature:<64 digits>\r\n
    \r\n

Each signature covers the one before it, so chunks cannot be left out, moved or put in. Data is given out as it arrives,
before its chunk's signature is known to be good: nothing of a body counts before `is_finished`.

Source: AWS S3 API reference, "Signature Calculations: Transferring Payload in Multiple Chunks", and the same with
trailing headers.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
from dataclasses import dataclass, field

from ultracloud.base.faults import InvalidArgumentError, UnauthenticatedError
from ultracloud.base.sigv4 import (
    ALGORITHM,
    EMPTY_SHA256,
    STREAMING,
    STREAMING_TRAILER,
    Signed,
)

LINE_BYTES_MAX = 1024
"""A chunk's first line has some 90 bytes, a trailer a digest."""
TRAILERS_MAX = 16
CHUNK_BYTES_MAX = 5 << 30
"""As much as one PUT may bring."""
_SIGNED_LINE = re.compile(rb"([0-9a-fA-F]{1,10});chunk-signature=([0-9a-f]{64})")
_PLAIN_LINE = re.compile(rb"([0-9a-fA-F]{1,10})")
_TRAILER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_SIGNATURE_TRAILER = "x-amz-trailer-signature"


class _Expects(enum.Enum):
    """What comes next."""

    SIZE = "size"
    DATA = "data"
    DATA_END = "data end"
    TRAILER = "trailer"
    NOTHING = "nothing"


@dataclass(slots=True)
class Chunks:
    """Takes one body apart.

    Args:
        signed: What `sigv4.parse` said of the request; its payload is one of the streaming words.
        key: What `sigv4.verify` gave.

    Attributes:
        trailers: Names in lower case, once `is_finished`.
        length: Bytes of the body so far.
    """

    signed: Signed
    key: bytes
    trailers: dict[str, str] = field(default_factory=dict)
    length: int = 0
    _previous: str = ""
    _expects: _Expects = _Expects.SIZE
    _buffer: bytearray = field(default_factory=bytearray)
    _left: int = 0
    _claimed: str = ""
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        assert self.signed.is_chunked, self.signed.payload
        self._previous = self.signed.signature

    @property
    def is_finished(self) -> bool:
        """Whether all of the body was there and as it was signed."""
        return self._expects is _Expects.NOTHING

    @property
    def _is_signed(self) -> bool:
        return self.signed.payload in (STREAMING, STREAMING_TRAILER)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came; gives the body's, without the framing.

        Raises:
            InvalidArgumentError: BODY_MALFORMED: this is no chunk, or something stands behind the end.
            UnauthenticatedError: SIGNATURE_DOES_NOT_MATCH: a chunk or the trailers are not as they were signed.
        """
        self._buffer += data
        out: list[bytes] = []
        while self._step(out):
            pass
        return out

    def end(self) -> None:
        """Say that no more comes.

        Raises:
            InvalidArgumentError: BODY_MALFORMED: the body was cut off.
        """
        if not self.is_finished:
            raise _malformed("the body ends before its last chunk")

    def _step(self, out: list[bytes]) -> bool:
        """Take one piece off the buffer; False if it is not there yet."""
        match self._expects:
            case _Expects.SIZE:
                return self._take_size()
            case _Expects.DATA:
                return self._take_data(out)
            case _Expects.DATA_END:
                return self._take_data_end()
            case _Expects.TRAILER:
                return self._take_trailer()
            case _Expects.NOTHING:
                if self._buffer:
                    raise _malformed("something stands behind the last chunk")
                return False

    def _take_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        found = (_SIGNED_LINE if self._is_signed else _PLAIN_LINE).fullmatch(line)
        if found is None:
            raise _malformed(f"a chunk begins with {bytes(line[:40])!r}")
        self._left = int(found[1], 16)
        if self._left > CHUNK_BYTES_MAX:
            raise _malformed(f"a chunk of {self._left} bytes is too large")
        self._claimed = found[2].decode() if self._is_signed else ""
        self._digest = hashlib.sha256()
        if self._left:
            self._expects = _Expects.DATA
            return True
        self._check_chunk()
        # Without trailers the last chunk has an end of its own, as every other.
        self._expects = _Expects.DATA_END if self.signed.payload == STREAMING else _Expects.TRAILER
        return True

    def _take_data(self, out: list[bytes]) -> bool:
        if not self._buffer:
            return False
        taken = bytes(self._buffer[: self._left])
        del self._buffer[: len(taken)]
        if self._is_signed:
            self._digest.update(taken)
        self._left -= len(taken)
        self.length += len(taken)
        out.append(taken)
        if not self._left:
            self._check_chunk()
            self._expects = _Expects.DATA_END
            self._left = -1
        return True

    def _take_data_end(self) -> bool:
        if len(self._buffer) < 2:  # noqa: PLR2004 - CR and LF
            return False
        if self._buffer[:2] != b"\r\n":
            raise _malformed("a chunk is longer than it says")
        del self._buffer[:2]
        self._expects = _Expects.SIZE if self._left < 0 else _Expects.NOTHING
        return True

    def _take_trailer(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if line:
            found = _TRAILER_LINE.fullmatch(line)
            name = found[1].decode().lower() if found else ""
            if found is None or name in self.trailers or len(self.trailers) >= TRAILERS_MAX:
                raise _malformed(f"a trailer is malformed, there twice, or one of more than {TRAILERS_MAX}")
            self.trailers[name] = found[2].decode("latin-1")
            return True
        if self._is_signed:
            self._check_trailers()
        self._expects = _Expects.NOTHING
        return True

    def _line(self) -> bytes | None:
        """A line without its end; None while it is not all there."""
        at = self._buffer.find(b"\r\n", 0, LINE_BYTES_MAX + 2)
        if at < 0:
            if len(self._buffer) > LINE_BYTES_MAX:
                raise _malformed(f"a line has more than {LINE_BYTES_MAX} bytes")
            return None
        line = bytes(self._buffer[:at])
        del self._buffer[: at + 2]
        return line

    def _check_chunk(self) -> None:
        if self._is_signed:
            told = f"{ALGORITHM}-PAYLOAD\n{self.signed.moment}\n{self.signed.scope}\n{self._previous}\n{EMPTY_SHA256}\n"
            self._check(told + self._digest.hexdigest(), self._claimed, "a chunk")

    def _check_trailers(self) -> None:
        claimed = self.trailers.pop(_SIGNATURE_TRAILER, "")
        rendered = "".join(f"{name}:{self.trailers[name]}\n" for name in sorted(self.trailers))
        digest = hashlib.sha256(rendered.encode("latin-1")).hexdigest()
        told = f"{ALGORITHM}-TRAILER\n{self.signed.moment}\n{self.signed.scope}\n{self._previous}\n{digest}"
        self._check(told, claimed, "the trailer")

    def _check(self, told: str, claimed: str, what: str) -> None:
        expected = hmac.digest(self.key, told.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), claimed.encode()):
            raise UnauthenticatedError(
                f"the signature of {what} does not match what was sent", reason="SIGNATURE_DOES_NOT_MATCH"
            )
        self._previous = expected


def _malformed(sentence: str) -> InvalidArgumentError:
    return InvalidArgumentError(sentence, reason="BODY_MALFORMED")
