"""What members say to each other besides Raft's messages, as frames: greetings, pings, calls and snapshot streams.

`peerframes` cuts bytes into frames, `peerraft` has Raft's messages, `peerlink` knows who may say what when.

Source: the layout is ours, little-endian; `Fault` codes are those of google.rpc.Code.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import TypeAlias

from chainfire.core import peerraft
from chainfire.core.peerframes import MalformedError, render_frame
from chainfire.core.peerraft import EntryColumns
from ultracloud.raft.messages import Message
from ultracloud.raft.words import NodeId

CALL_BODY_BYTES_MAX = 16 << 20
"""A call or its answer: a request that etcd's largest setting allows, and room."""
CHUNK_BYTES_MAX = 256 << 10
"""A piece of a snapshot: few enough frames, and little enough work at once that heartbeats wait under a millisecond."""
SENTENCE_BYTES_MAX = 2048
"""Reasons that travel, in UTF-8: a sentence or two; what is longer is cut."""
DIGEST_BYTES = 32
"""SHA-256 of a snapshot's bytes."""

HELLO, WELCOME, REFUSED, PING, PONG, CALL, ANSWER, FAILED = range(1, 9)
CHUNK, STREAM_END, STREAM_ABORT, STREAM_TAKEN = range(9, 13)

_HELLO = struct.Struct("<QQQB")
_WELCOME = struct.Struct("<QQ")
_TOKEN = struct.Struct("<Q")
_CALL = struct.Struct("<QHI")
_CALL_ID = struct.Struct("<Q")
_FAILED = struct.Struct("<QBH")
_STREAM_END = struct.Struct(f"<Q{DIGEST_BYTES}s")
_GRPC_CODE_MAX = 16


class Purpose(IntEnum):
    """What a connection is for; whoever dials says it. The numbers are on the wire."""

    MESSAGES = 1
    """Raft's messages, and calls: one connection from each member to each other."""
    SNAPSHOT = 2
    """One snapshot, so that heartbeats do not wait behind it."""
    ASK = 3
    """Calls of somebody who is no member yet."""


class Refusal(IntEnum):
    """Why a connection was not taken, or ended. The numbers are on the wire."""

    PROTOCOL = 1
    CLUSTER = 2
    RECEIVER = 3
    REMOVED = 4
    BUSY = 5
    IDENTITY = 6
    LEAVING = 7


@dataclass(frozen=True, slots=True)
class Hello:
    """Who dials, and whom it wants. Whoever asks before it is a member knows no ids and says 0."""

    cluster_id: int
    sender: NodeId
    receiver: NodeId
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Welcome:
    """The receiver takes the connection."""

    cluster_id: int
    member_id: NodeId


@dataclass(frozen=True, slots=True)
class Refused:
    """The sender of this ends the connection; the sentence is for the other's log."""

    why: Refusal
    sentence: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? The token comes back."""

    token: int


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to `Ping`."""

    token: int


@dataclass(frozen=True, slots=True)
class Call:
    """A request; `kind` says of what sort, for the receiver's node."""

    call_id: int
    kind: int
    timeout_ms: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call."""

    call_id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """A call ended in a fault: its google.rpc.Code, its public sentence, its reason."""

    call_id: int
    code: int
    public: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next bytes of a snapshot, at most CHUNK_BYTES_MAX."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The snapshot is whole: how many bytes it has, and their SHA-256."""

    total_bytes: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class StreamAbort:
    """The stream ends here, from either side; what came is worthless."""

    sentence: str


@dataclass(frozen=True, slots=True)
class StreamTaken:
    """The receiver has the whole snapshot and has stored it."""


class SnapshotSum:
    """Length and digest of a snapshot's bytes, on either end."""

    def __init__(self) -> None:
        self.total_bytes = 0
        self._digest = sha256()

    def add(self, octets: bytes) -> None:
        """Count the next bytes."""
        self.total_bytes += len(octets)
        self._digest.update(octets)

    def end(self) -> StreamEnd:
        """What all bytes so far come to."""
        return StreamEnd(self.total_bytes, self._digest.digest())


Word: TypeAlias = (
    Message
    | Hello
    | Welcome
    | Refused
    | Ping
    | Pong
    | Call
    | Answer
    | Failed
    | Chunk
    | StreamEnd
    | StreamAbort
    | StreamTaken
)


def render(word: Word) -> list[bytes]:  # noqa: C901, PLR0911, PLR0912 - one branch a word
    """The bytes of a word's frame, in pieces for one join.

    Raises:
        FrameTooLongError: It is longer than a frame may be.
    """
    match word:
        case Hello():
            body = _HELLO.pack(word.cluster_id, word.sender, word.receiver, word.purpose)
            return render_frame(HELLO, body)
        case Welcome():
            return render_frame(WELCOME, _WELCOME.pack(word.cluster_id, word.member_id))
        case Refused():
            return render_frame(REFUSED, bytes([word.why]), _sentence(word.sentence))
        case Ping():
            return render_frame(PING, _TOKEN.pack(word.token))
        case Pong():
            return render_frame(PONG, _TOKEN.pack(word.token))
        case Call():
            return render_frame(CALL, _CALL.pack(word.call_id, word.kind, word.timeout_ms), word.body)
        case Answer():
            return render_frame(ANSWER, _CALL_ID.pack(word.call_id), word.body)
        case Failed():
            reason = _sentence(word.reason)
            head = _FAILED.pack(word.call_id, word.code, len(reason))
            return render_frame(FAILED, head, reason, _sentence(word.public))
        case Chunk():
            return render_frame(CHUNK, word.octets)
        case StreamEnd():
            return render_frame(STREAM_END, _STREAM_END.pack(word.total_bytes, word.digest))
        case StreamAbort():
            return render_frame(STREAM_ABORT, _sentence(word.sentence))
        case StreamTaken():
            return render_frame(STREAM_TAKEN)
        case _:
            return peerraft.render(word, EntryColumns())


def parse(kind: int, body: bytes) -> Word:
    """Read what `render` made, given the kind and the body of its frame.

    Raises:
        MalformedError: It is no word of this protocol.
    """
    reader = _READERS.get(kind)
    if reader is None:
        return peerraft.parse(kind, body)
    try:
        return reader(body)
    except (struct.error, ValueError) as error:
        raise MalformedError(f"{len(body)} bytes are no frame of kind {kind}: {error}") from error


def _sentence(text: str) -> bytes:
    """A sentence for the wire, cut where it is too long, between two characters."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text.encode()[:SENTENCE_BYTES_MAX].decode(errors="ignore").encode()


def _text(octets: bytes) -> str:
    """A sentence from the wire; it goes to logs and to callers, so it is all printable."""
    if len(octets) > SENTENCE_BYTES_MAX:
        raise ValueError(f"a sentence of {len(octets)} bytes")
    text = octets.decode()
    if not text.isprintable():
        raise ValueError("a sentence with characters that cannot be printed")
    return text


def _read_hello(body: bytes) -> Hello:
    cluster_id, sender, receiver, purpose = _HELLO.unpack(body)
    return Hello(cluster_id, NodeId(sender), NodeId(receiver), Purpose(purpose))


def _read_refused(body: bytes) -> Refused:
    if not body:
        raise ValueError("no reason is given")
    return Refused(Refusal(body[0]), _text(body[1:]))


def _read_call(body: bytes) -> Call:
    call_id, kind, timeout_ms = _CALL.unpack_from(body)
    if len(body) > _CALL.size + CALL_BODY_BYTES_MAX:
        raise ValueError("the body of the call is too long")
    return Call(call_id, kind, timeout_ms, body[_CALL.size :])


def _read_answer(body: bytes) -> Answer:
    (call_id,) = _CALL_ID.unpack_from(body)
    if len(body) > _CALL_ID.size + CALL_BODY_BYTES_MAX:
        raise ValueError("the body of the answer is too long")
    return Answer(call_id, body[_CALL_ID.size :])


def _read_failed(body: bytes) -> Failed:
    call_id, code, length = _FAILED.unpack_from(body)
    middle = _FAILED.size + length
    if not 1 <= code <= _GRPC_CODE_MAX or middle > len(body):
        raise ValueError("it has no such code, or ends inside its reason")
    return Failed(call_id, code, _text(body[middle:]), _text(body[_FAILED.size : middle]))


def _read_chunk(body: bytes) -> Chunk:
    if len(body) > CHUNK_BYTES_MAX:
        raise ValueError(f"a chunk has at most {CHUNK_BYTES_MAX}")
    return Chunk(body)


def _read_abort(body: bytes) -> StreamAbort:
    return StreamAbort(_text(body))


def _read_taken(body: bytes) -> StreamTaken:
    if body:
        raise ValueError("none are expected")
    return StreamTaken()


_READERS: dict[int, Callable[[bytes], Word]] = {
    HELLO: _read_hello,
    WELCOME: lambda body: Welcome(*_WELCOME.unpack(body)),
    REFUSED: _read_refused,
    PING: lambda body: Ping(*_TOKEN.unpack(body)),
    PONG: lambda body: Pong(*_TOKEN.unpack(body)),
    CALL: _read_call,
    ANSWER: _read_answer,
    FAILED: _read_failed,
    CHUNK: _read_chunk,
    STREAM_END: lambda body: StreamEnd(*_STREAM_END.unpack(body)),
    STREAM_ABORT: _read_abort,
    STREAM_TAKEN: _read_taken,
}
