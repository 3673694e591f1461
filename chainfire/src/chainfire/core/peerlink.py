"""One connection between members as a machine: bytes and time in, events and bytes out.

Whoever dials says hello: of which cluster and which member it is, whom it wants and what for. The other one welcomes it
or refuses with a sentence. From then on each side may say what `_LEGAL` lists for it, and nothing else. Both ping, so
that each knows within SILENCE_S that the other, or the way to it, is gone.

Seconds count in steps of at most TICK_S_MAX: a process that was stopped must first read what came meanwhile before it
says that nothing came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from chainfire.core import peerraft, peerwire
from chainfire.core.peerevents import (
    ChunkCame,
    Closed,
    Event,
    Messages,
    Opened,
    SnapshotBegun,
    SnapshotBroken,
    SnapshotWhole,
)
from chainfire.core.peerframes import (
    FRAME_BYTES_MAX,
    PREFACE_BYTES,
    FrameReader,
    MalformedError,
    Preface,
    common_version,
    parse_preface,
    render_preface,
)
from chainfire.core.peerwire import (
    CHUNK_BYTES_MAX,
    Answer,
    Call,
    Chunk,
    Failed,
    Hello,
    Ping,
    Pong,
    Purpose,
    Refusal,
    Refused,
    SnapshotSum,
    StreamAbort,
    StreamEnd,
    StreamTaken,
    Welcome,
    Word,
)
from ultracloud.raft.messages import Install, Message
from ultracloud.raft.words import NOBODY, NodeId

HANDSHAKE_S = 3.0
"""Two round trips; who has not said hello by then does not mean it."""
SILENCE_S = 5.0
"""Five pings without a sign. Raft notices a silent leader sooner; this frees the connection and makes a new one."""
TICK_S = 1.0
"""How often `tick` is to be called, and how often a ping is sent."""
TICK_S_MAX = 2.0
ASK_BYTES_MAX = 1 << 20
"""A stranger's call: it asks for members and asks to become one, which takes a few URLs."""
_SMOOTHING = 0.25
"""Weight of the newest round trip: four pings forget a spike."""
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class LocalMember:
    """Who this process is."""

    cluster_id: int
    member_id: NodeId


class Side(Enum):
    """Which end of a connection this is."""

    DIALS = "dials"
    LISTENS = "listens"


class Stage(Enum):
    """How far a connection has come."""

    PREFACE = "waits for the preface"
    GREETING = "waits for hello or welcome"
    OPEN = "is open"
    CLOSED = "is closed"


_BOTH = frozenset({peerwire.PING, peerwire.PONG, peerwire.REFUSED})
_RAFT = frozenset(range(peerraft.FIRST_KIND, peerraft.READ_REPLY + 1)) - {peerraft.INSTALL}
_ANSWERS = frozenset({peerwire.ANSWER, peerwire.FAILED})
_STREAM = frozenset({peerraft.INSTALL, peerwire.CHUNK, peerwire.STREAM_END, peerwire.STREAM_ABORT})
_STREAM_ANSWERS = frozenset({peerwire.STREAM_TAKEN, peerwire.STREAM_ABORT})
_LEGAL = {
    (Side.LISTENS, Purpose.MESSAGES): _BOTH | _RAFT | {peerwire.CALL},
    (Side.DIALS, Purpose.MESSAGES): _BOTH | _ANSWERS,
    (Side.LISTENS, Purpose.SNAPSHOT): _BOTH | _STREAM,
    (Side.DIALS, Purpose.SNAPSHOT): _BOTH | _STREAM_ANSWERS,
    (Side.LISTENS, Purpose.ASK): _BOTH | {peerwire.CALL},
    (Side.DIALS, Purpose.ASK): _BOTH | _ANSWERS,
}
"""What each side may hear, by what the connection is for."""
_BODY_BYTES_MAX = {
    Purpose.MESSAGES: FRAME_BYTES_MAX,
    Purpose.SNAPSHOT: CHUNK_BYTES_MAX + 4096,
    Purpose.ASK: ASK_BYTES_MAX,
}
Judge = Callable[[Hello], Refused | None]


def judge_hello(hello: Hello, me: LocalMember, removed: frozenset[NodeId]) -> Refused | None:
    """Whether `me` takes a connection; None if it does. A sender that is not known may have been added a moment ago."""
    if hello.purpose is Purpose.ASK and not hello.cluster_id:
        return None
    if hello.cluster_id != me.cluster_id:
        return Refused(
            Refusal.CLUSTER,
            f"member {hello.sender:x} is of cluster {hello.cluster_id:x}, this is cluster {me.cluster_id:x}; check its "
            "initial cluster and its token, or give it an empty state folder",
        )
    if hello.receiver != me.member_id:
        return Refused(
            Refusal.RECEIVER,
            f"member {hello.sender:x} wants member {hello.receiver:x}, this is member {me.member_id:x}; check the peer "
            "URLs of both",
        )
    if hello.sender in removed:
        return Refused(
            Refusal.REMOVED,
            f"member {hello.sender:x} was removed from cluster {me.cluster_id:x}; add it again as a new member with an "
            "empty state folder",
        )
    if hello.sender in (me.member_id, NOBODY):
        return Refused(Refusal.RECEIVER, f"member {hello.sender:x} cannot be the sender; check the peer URLs")
    return None


class Link:
    """One end of a connection.

    Args:
        me: Whose end.
        side: Which end.
        hello: What is said first; of the listening side, None.
        judge: Of the listening side: whether a hello is welcome.
        now_s: The clock.

    Attributes:
        peer: The other member, NOBODY until it is known.
        rtt_s: Smoothed round trip; None until one is measured.
        is_deaf: The shell reads nothing for now, so silence says nothing.
    """

    def __init__(self, me: LocalMember, side: Side, hello: Hello | None, judge: Judge, now_s: float) -> None:
        self.peer = hello.receiver if hello else NOBODY
        self.purpose = hello.purpose if hello else Purpose.MESSAGES
        self.stage = Stage.PREFACE
        self.rtt_s: float | None = None
        self.is_deaf = False
        self._me = me
        self.side = side
        self._judge = judge
        self._reader = FrameReader()
        self._start = b""
        self._legal: frozenset[int] = frozenset()
        self._sum: SnapshotSum | None = None
        self._has_begun = False
        self._out = [render_preface(Preface())]
        self._now_s = now_s
        self._quiet_s = 0.0
        if hello is not None:
            self._out += peerwire.render(hello)

    @staticmethod
    def dial(me: LocalMember, receiver: NodeId, purpose: Purpose, now_s: float) -> Link:
        """The end that connects."""
        hello = Hello(me.cluster_id, me.member_id, receiver, purpose)
        return Link(me, Side.DIALS, hello, lambda _hello: None, now_s)

    @staticmethod
    def listen(me: LocalMember, judge: Judge, now_s: float) -> Link:
        """The end that was connected to."""
        return Link(me, Side.LISTENS, None, judge, now_s)

    def take_output(self) -> bytes:
        """What is to be sent now."""
        if not self._out:
            return b""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def say(self, word: Word) -> None:
        """Send a word with the next output. Once the connection is closed nothing is sent any more."""
        if self.stage is not Stage.CLOSED:
            self._out += peerwire.render(word)

    def close(self, why: Refusal, sentence: str) -> Closed:
        """End the connection with a sentence for the other side."""
        if self.stage is Stage.PREFACE:
            # A hello that has not left yet would be welcomed.
            del self._out[1:]
        self.say(Refused(why, sentence))
        self.stage = Stage.CLOSED
        return Closed(sentence, why)

    def receive(self, octets: bytes, now_s: float) -> list[Event]:
        """Take what was read; how it was cut makes no difference to the events but for how messages are grouped."""
        self._now_s = now_s
        if self.stage is Stage.CLOSED:
            return []
        if self.stage is Stage.OPEN:
            self._quiet_s = 0.0
        events: list[Event] = []
        messages: list[Message] = []
        try:
            octets = self._read_preface(octets) if self.stage is Stage.PREFACE else octets
            for event in self._read_frames(octets, messages):
                _move(messages, events)
                events.append(event)
            _move(messages, events)
        except MalformedError as error:
            _move(messages, events)
            events.append(self.close(Refusal.PROTOCOL, str(error)))
        return events

    def tick(self, now_s: float) -> Closed | None:
        """Let time pass: ping, and end what has been silent for too long."""
        step_s = min(now_s - self._now_s, TICK_S_MAX)
        self._now_s = now_s
        if self.stage is Stage.CLOSED:
            return None
        self._quiet_s += 0 if self.is_deaf else step_s
        if self.stage is Stage.OPEN:
            self._ping()
            return self._lose(f"nothing was heard for {SILENCE_S:g} s") if self._quiet_s > SILENCE_S else None
        return self._lose(f"there was no greeting within {HANDSHAKE_S:g} s") if self._quiet_s > HANDSHAKE_S else None

    def _ping(self) -> None:
        """Ask for a sign, and measure how long it takes."""
        self.say(Ping(int(self._now_s * _MICROSECONDS)))

    def _lose(self, sentence: str) -> Closed:
        """The other side is gone; there is nobody to tell."""
        self.stage = Stage.CLOSED
        return Closed(sentence)

    def _read_preface(self, octets: bytes) -> bytes:
        """Take the preface from the first bytes; give what follows it."""
        self._start += octets
        theirs = parse_preface(self._start)
        if theirs is None:
            return b""
        common_version(theirs)
        self.stage = Stage.GREETING
        octets, self._start = self._start[PREFACE_BYTES:], b""
        return octets

    def _read_frames(self, octets: bytes, messages: list[Message]) -> Iterator[Event]:
        """What the frames that are whole now bring; Raft's messages, the most by far, go to `messages`."""
        for kind, body in self._reader.frames(octets):
            if self.stage is Stage.GREETING:
                yield self._greet(peerwire.parse(kind, body))
            elif kind not in self._legal:
                raise MalformedError(f"a frame of kind {kind} is not expected on a connection for {self.purpose.name}")
            elif kind in _RAFT:
                messages.append(self._addressed(peerraft.parse(kind, body)))
            else:
                event = self._take(peerwire.parse(kind, body))
                if event is not None:
                    yield event
            if self.stage is Stage.CLOSED:
                return

    def _greet(self, word: Word) -> Event:
        """Take the first word of the other side."""
        match word:
            case Hello() if self.side is Side.LISTENS:
                refusal = self._judge(word)
                if refusal is not None:
                    return self.close(refusal.why, refusal.sentence)
                self.say(Welcome(self._me.cluster_id, self._me.member_id))
                return self._open(word.sender, word.purpose)
            case Welcome() if self.side is Side.DIALS:
                return self._check_welcome(word) or self._open(word.member_id, self.purpose)
            case Refused():
                self.stage = Stage.CLOSED
                return Closed(word.sentence, word.why, by_peer=True)
            case _:
                raise MalformedError(f"the first word is {type(word).__name__}")

    def _check_welcome(self, welcome: Welcome) -> Closed | None:
        """Do not believe that whoever welcomes us is whom we wanted."""
        if self.purpose is Purpose.ASK:
            return None
        if welcome.cluster_id != self._me.cluster_id:
            sentence = f"it is of cluster {welcome.cluster_id:x}, this is cluster {self._me.cluster_id:x}"
            return self.close(Refusal.CLUSTER, sentence)
        if welcome.member_id != self.peer:
            return self.close(Refusal.RECEIVER, f"it is member {welcome.member_id:x}, not member {self.peer:x}")
        return None

    def _open(self, peer: NodeId, purpose: Purpose) -> Opened:
        """From now on frames of this purpose may come."""
        self.peer, self.purpose, self.stage = peer, purpose, Stage.OPEN
        self._quiet_s = 0.0
        self._ping()
        self._legal = _LEGAL[self.side, purpose]
        self._reader.body_bytes_max = _BODY_BYTES_MAX[purpose]
        return Opened(peer, purpose)

    def _addressed(self, message: Message) -> Message:
        """A message that is from the peer and for us; another one would speak in somebody else's name."""
        if message.sender != self.peer or message.to != self._me.member_id:
            raise MalformedError(f"a message of member {message.sender:x} for member {message.to:x} came here")
        return message

    def _take(self, word: Word) -> Event | None:  # noqa: PLR0911 - one return a word
        """Take a word that is legal here."""
        match word:
            case Ping():
                self.say(Pong(word.token))
            case Pong():
                self._measure(word)
            case Refused():
                self.stage = Stage.CLOSED
                return Closed(word.sentence, word.why, by_peer=True)
            case Call() | Answer() | Failed() | StreamTaken():
                return word
            case Install():
                return self._begin(word)
            case StreamAbort():
                return SnapshotBroken(word.sentence)
            case Chunk() if self._sum is not None:
                self._sum.add(word.octets)
                return ChunkCame(word.octets)
            case StreamEnd() if self._sum is not None:
                return self._end(word, self._sum)
            case _:
                raise MalformedError(f"{type(word).__name__} came outside of a snapshot")
        return None

    def _measure(self, pong: Pong) -> None:
        """Learn the round trip from a pong; a token that we cannot have sent says nothing."""
        rtt_s = self._now_s - pong.token / _MICROSECONDS
        if 0 <= rtt_s <= SILENCE_S:
            known_s = rtt_s if self.rtt_s is None else self.rtt_s
            self.rtt_s = known_s + _SMOOTHING * (rtt_s - known_s)

    def _begin(self, install: Install) -> SnapshotBegun:
        """A snapshot comes; a connection carries one."""
        self._addressed(install)
        if self._has_begun:
            raise MalformedError("a second snapshot came on one connection")
        self._has_begun, self._sum = True, SnapshotSum()
        return SnapshotBegun(install)

    def _end(self, end: StreamEnd, came: SnapshotSum) -> Event:
        """All of it was sent: is it what came?"""
        self._sum = None
        if came.end() == end:
            return SnapshotWhole()
        sentence = (
            f"the snapshot that came, {came.total_bytes} bytes, is not the one that was sent, {end.total_bytes} bytes: "
            "their checksums differ"
        )
        self.say(StreamAbort(sentence))
        self.stage = Stage.CLOSED
        return SnapshotBroken(sentence, is_damaged=True)


def _move(messages: list[Message], events: list[Event]) -> None:
    """Make one event of the messages that came together."""
    if messages:
        events.append(Messages(tuple(messages)))
        messages.clear()
