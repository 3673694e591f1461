"""Two ends of a connection between members, and the wire between them, as a conversation."""

from __future__ import annotations

from collections.abc import Callable

from chainfire.core.peerevents import ChunkCame, Closed, Event, Messages, Opened, SnapshotBegun, SnapshotBroken
from chainfire.core.peerlink import Link, LocalMember, judge_hello
from chainfire.core.peerwire import (
    Answer,
    Call,
    Chunk,
    Failed,
    Purpose,
    Refusal,
    SnapshotSum,
    StreamAbort,
    StreamEnd,
    StreamTaken,
    Word,
)
from ultracloud.raft.messages import Forward, Heartbeat, Install
from ultracloud.raft.words import NodeId, SnapshotMark

DIALS, LISTENS = "dials", "listens"


class LinkSpeaker:
    """Says who meets, what each says, and how much time passes; answers with what each hears."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.ends: dict[str, Link] = {}
        self.total = SnapshotSum()

    def say(self, words: list[str]) -> str:
        match words:
            case ["meet", dialler, wanted, listener, purpose, *removed]:
                return self.meet(dialler, wanted, listener, purpose, removed)
            case ["alone", side]:
                self.meet("1@7", "2", "2@7", "messages", [], keep=side)
            case ["hear", side, text]:
                return "\n".join(self.told(side, self.ends[side].receive(text.encode(), self.now_s)))
            case ["tick", *seconds]:
                return self.tick([float(each) for each in seconds])
            case ["deaf", side]:
                self.ends[side].is_deaf = True
            case ["close", side, *sentence]:
                self.ends[side].close(Refusal.LEAVING, " ".join(sentence))
                return self.carry()
            case [side, *word]:
                self.ends[side].say(self.word(word))
                return self.carry()
        return ""

    def meet(self, dialler: str, wanted: str, listener: str, purpose: str, removed: list[str], keep: str = "") -> str:
        me, other = member(dialler), member(listener)
        gone = frozenset(NodeId(int(each)) for each in removed)
        self.total = SnapshotSum()
        self.ends = {
            DIALS: Link.dial(me, NodeId(int(wanted)), Purpose[purpose.upper()], self.now_s),
            LISTENS: Link.listen(other, lambda hello: judge_hello(hello, other, gone), self.now_s),
        }
        if keep:
            self.ends = {keep: self.ends[keep]}
            return ""
        return self.carry()

    def tick(self, steps_s: list[float]) -> str:
        """Let time pass on both sides without carrying anything, then carry."""
        lines = []
        for step_s in steps_s:
            self.now_s += step_s
            for side, end in self.ends.items():
                closed = end.tick(self.now_s)
                lines += self.told(side, [closed]) if closed else []
        return "\n".join([*lines, *self.carry().splitlines()])

    def carry(self) -> str:
        """Carry bytes both ways until nobody says more."""
        lines: list[str] = []
        while True:
            said = {side: end.take_output() for side, end in self.ends.items()}
            if not any(said.values()):
                return "\n".join(lines)
            self.now_s += 0.01
            for side, hearer in ((DIALS, LISTENS), (LISTENS, DIALS)):
                if said.get(side) and hearer in self.ends:
                    lines += self.told(hearer, self.ends[hearer].receive(said[side], self.now_s))

    def told(self, side: str, events: list[Event]) -> list[str]:
        return [f"{side}: {described(event)}" for event in events]

    def word(self, words: list[str]) -> Word:
        match words:
            case ["chunk", text]:
                self.total.add(text.encode())
                return Chunk(text.encode())
            case ["end"]:
                return self.total.end()
            case ["end", "falsely"]:
                return StreamEnd(self.total.total_bytes, bytes(32))
        return WORDS[words[0]](*words[1:])


WORDS: dict[str, Callable[..., Word]] = {
    "heartbeat": lambda sender, to: Heartbeat(NodeId(int(to)), NodeId(int(sender)), 1, 0),
    "forward": lambda body: Forward(NodeId(2), NodeId(1), 1, (body.encode(),)),
    "call": lambda call_id, kind, *body: Call(int(call_id), int(kind), 500, " ".join(body).encode()),
    "answer": lambda call_id, body: Answer(int(call_id), body.encode()),
    "fail": lambda call_id, code, *public: Failed(int(call_id), int(code), " ".join(public), ""),
    "install": lambda index: Install(NodeId(2), NodeId(1), 1, SnapshotMark(int(index), 1)),
    "abort": lambda *sentence: StreamAbort(" ".join(sentence)),
    "taken": StreamTaken,
}


def member(text: str) -> LocalMember:
    number, _, cluster = text.partition("@")
    return LocalMember(int(cluster), NodeId(int(number)))


def described(event: Event) -> str:  # noqa: PLR0911 - one return an event
    match event:
        case Opened():
            return f"open with member {event.peer} for {event.purpose.name.lower()}"
        case Messages():
            return ", ".join(f"{type(each).__name__} of {each.sender}" for each in event.messages)
        case Closed(sentence, why, by_peer):
            return f"closed{' by the other' if by_peer else ''}, {why.name if why else 'lost'}: {sentence}"
        case SnapshotBegun():
            return f"a snapshot as of {event.install.mark.index} begins"
        case ChunkCame():
            return f"chunk {event.octets.decode()}"
        case SnapshotBroken():
            return f"the snapshot broke{', damaged' if event.is_damaged else ''}: {event.sentence}"
        case Call():
            return f"call {event.call_id} of kind {event.kind} within {event.timeout_ms} ms: {event.body.decode()}"
        case Answer():
            return f"answer {event.call_id}: {event.body.decode()}"
        case Failed():
            return f"call {event.call_id} failed, code {event.code}: {event.public}"
        case _:
            return type(event).__name__
