"""A few nodes on a stage, told line by line what happens: tests/golden/*.txt are such conversations.

    nodes 1 2 3 [+ 4 5] [OPTION=VALUE ...]   voters, then learners; all start with entry 1 of term 1 applied
    spare 4                                   a node that has nothing yet
    N log 1 1 2 [commit=C] [term=T]           N starts again with entries of these terms from index 2 on
    N campaign | propose A B | read 7 | tick [COUNT] | transfer M | change +4 ~5 -3 | compact I | unreachable M | gone M
    N crash | restart                         what is not stored is lost
    N slow | fast                             stores only when told, or at once
    N stores                                  everything it was to store
    N timeout T                               its election timeouts from now on, in ticks
    N sent M | failed M                       the snapshot stream to M ended
    lead N                                    N campaigns, and all is delivered, without a word
    quietly ...                               do it without a word
    deliver [N M]                             messages, and what they bring about, until all is quiet; or N's to M once
    forge N M after I/T commit=C              an empty Append in N's name and term that N did not send
    lose [N M] | hold N M | release           messages that are on their way; `release` delivers what was held
    cut N ... | heal                          messages to and from these nodes are lost
    state                                     where all stand
    progress N                                what leader N knows of its peers

An entry is written index/term and its body. A node's lines say first what it was told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from disk import Disk
from spoken import changes_of, config_text, entries_text, said

from ultracloud.raft.events import (
    Campaign,
    Compact,
    Event,
    Gone,
    Persisted,
    Propose,
    ProposeConfig,
    Read,
    Ready,
    SnapshotSent,
    Tick,
    TransferLeader,
    Unreachable,
)
from ultracloud.raft.messages import Append, Install, Message
from ultracloud.raft.options import Options
from ultracloud.raft.raft import Raft
from ultracloud.raft.turns import Role
from ultracloud.raft.words import Config, Entry, EntryKind, HardState, NodeId, SnapshotMark


@dataclass(slots=True)
class Actor:
    """One node on the stage."""

    disk: Disk
    timeout_ticks: int
    raft: Raft | None = None
    is_slow: bool = False
    waiting: deque[Ready] = field(default_factory=deque)


class Stage:
    """All nodes, and the messages between them."""

    def __init__(self) -> None:
        self._actors: dict[NodeId, Actor] = {}
        self._options = Options()
        self._flying: list[Message] = []
        self._held: list[Message] = []
        self._cut: set[NodeId] = set()

    def say(self, line: str) -> str:
        """Do what a line says, and tell what came of it."""
        words = line.split()
        return "\n".join(self._say(words))

    def _say(self, words: list[str]) -> Iterator[str]:  # noqa: C901, PLR0912 - one branch a line of the docstring
        match words:
            case ["nodes", *rest]:
                self._set(rest)
            case ["spare", node]:
                self._add(_id(node), SnapshotMark())
            case ["quietly", *rest]:
                list(self._say(rest))
            case ["lead", node]:
                list(self._say([node, "campaign"]))
                list(self._deliver_all())
            case ["deliver"]:
                yield from self._deliver_all()
            case ["deliver", sender, to]:
                for message in self._take(sender, to):
                    yield from self._deliver(message)
            case ["lose", *way]:
                self._take(*way)
            case ["hold", sender, to]:
                self._held += self._take(sender, to)
            case ["release"]:
                self._flying += self._held
                self._held = []
                yield from self._deliver_all()
            case ["forge", sender, to, "after", mark, commit]:
                self._forge(_id(sender), _id(to), mark, int(commit.removeprefix("commit=")))
            case ["cut", *nodes]:
                self._cut |= set(map(_id, nodes))
            case ["heal"]:
                self._cut.clear()
            case ["state"]:
                yield from self._state()
            case ["progress", node]:
                yield from self._progress(_id(node))
            case [node, *rest] if node.isdecimal():
                yield from self._tell(_id(node), rest)
            case _:
                raise ValueError(f"what is {words}?")

    def _set(self, words: list[str]) -> None:
        """Set the stage anew."""
        options = [word.split("=") for word in words if "=" in word]
        names = [word for word in words if "=" not in word]
        plus = names.index("+") if "+" in names else len(names)
        voters, learners = frozenset(map(_id, names[:plus])), frozenset(map(_id, names[plus + 1 :]))
        self.__init__()  # type: ignore[misc]
        self._options = Options(**{name: int(value) for name, value in options})  # type: ignore[arg-type]
        for node in sorted(voters | learners):
            self._add(node, SnapshotMark(1, 1, Config(voters, learners=learners)))

    def _add(self, node: NodeId, mark: SnapshotMark) -> None:
        """Another node. Its timeouts differ from all others', so that nobody is a candidate by accident."""
        ticks = self._options.election_ticks
        self._actors[node] = Actor(Disk(mark), min(ticks + 2 * (node - 1), 2 * ticks - 1))
        self._start(node)

    def _start(self, node: NodeId) -> None:
        actor = self._actors[node]

        def draw(below: int) -> int:
            return actor.timeout_ticks - self._options.election_ticks if below == self._options.election_ticks else 0

        actor.raft = Raft(node, self._options, actor.disk.restored(), draw)

    def _tell(self, node: NodeId, words: list[str]) -> Iterator[str]:
        """Something happens to one node."""
        actor = self._actors[node]
        match words:
            case ["log", *rest]:
                self._log(node, rest)
            case ["crash"]:
                actor.raft = None
                actor.waiting.clear()
            case ["restart"]:
                self._start(node)
                yield from self._step(node, "starts")
            case ["slow" | "fast" as pace]:
                actor.is_slow = pace == "slow"
            case ["stores"]:
                yield from self._store(node)
            case ["timeout", ticks]:
                actor.timeout_ticks = int(ticks)
            case ["tick", *count]:
                for _ in range(int(count[0]) if count else 1):
                    yield from self._step(node, "", Tick())
            case _:
                yield from self._step(node, "", self._event(node, words))

    def _event(self, node: NodeId, words: list[str]) -> Event:  # noqa: PLR0911 - one branch an event
        """An event in words."""
        match words:
            case ["campaign"]:
                return Campaign()
            case ["propose", *bodies]:
                return Propose(tuple(body.encode() for body in bodies))
            case ["read", context]:
                return Read(int(context))
            case ["transfer", target]:
                return TransferLeader(_id(target))
            case ["change", *changes]:
                return ProposeConfig(changes_of(changes))
            case ["compact", index]:
                return self._compact(node, int(index))
            case ["unreachable", peer]:
                return Unreachable(_id(peer))
            case ["gone", peer]:
                return Gone(_id(peer))
            case ["sent" | "failed" as outcome, peer]:
                return SnapshotSent(_id(peer), outcome == "sent", self._actors[node].disk.mark)
            case _:
                raise ValueError(f"what is {words}?")

    def _compact(self, node: NodeId, index: int) -> Event:
        """The state machine of `node` is stored as of `index`."""
        actor = self._actors[node]
        assert actor.raft is not None
        actor.disk.compact(actor.raft.mark_at(index), self._options.compact_keep)
        return Compact(index)

    def _log(self, node: NodeId, words: list[str]) -> None:
        """Start a node with a log of these terms."""
        settings = dict(word.split("=") for word in words if "=" in word)
        terms = [int(word) for word in words if "=" not in word]
        disk = self._actors[node].disk
        disk.entries = [Entry(index, term, EntryKind.NORMAL, b"%d" % index) for index, term in enumerate(terms, 2)]
        last_term = terms[-1] if terms else disk.mark.term
        disk.hard_state = HardState(int(settings.get("term", last_term)), commit=int(settings.get("commit", 1)))
        self._start(node)

    def _step(self, node: NodeId, told: str, *events: Event) -> Iterator[str]:
        """One step, and what it comes to."""
        actor = self._actors[node]
        raft = actor.raft
        if raft is None:
            return
        before = (raft.role, raft.term)
        config = raft.config
        ready = raft.step(*events)
        lines = list(_outcome(raft, before, config, ready))
        actor.waiting.append(ready)
        self._flying += ready.messages
        lines += [f"to {message.to}: {said(message)}" for message in ready.messages]
        if actor.is_slow:
            lines += [f"is to store {what}" for what in _stored(ready)]
            lines += [f"when that is stored, to {message.to}: {said(message)}" for message in ready.promises]
        if told:
            yield f"{node} {told}"
        for line in lines:
            yield f"  {node} {line}" if told else f"{node} {line}"
        if not actor.is_slow:
            yield from (line if not told else f"  {line}" for line in self._store(node))

    def _store(self, node: NodeId) -> Iterator[str]:
        """Everything is stored that was to be."""
        actor = self._actors[node]
        done, actor.waiting = list(actor.waiting), deque()
        for ready in done:
            actor.disk.write(ready, keeps_unsynced_commit=False)
            if not actor.is_slow:
                yield from (f"{node} stores {what}" for what in _stored(ready))
            for message in ready.promises:
                self._flying.append(message)
                yield f"{node} to {message.to}: {said(message)}"
        if any(ready.must_sync or ready.promises for ready in done):
            yield from self._step(node, "", Persisted(done[-1].number))

    def _forge(self, sender: NodeId, to: NodeId, mark: str, commit: int) -> None:
        """An Append that the paper allows and our leader has no reason to send."""
        raft = self._actors[sender].raft
        assert raft is not None
        prev_index, prev_term = map(int, mark.split("/"))
        self._flying.append(Append(to, sender, raft.term, prev_index, prev_term, commit, ()))

    def _take(self, sender: str = "", to: str = "") -> list[Message]:
        """Take messages out of the air: all, or those of one way."""
        taken = [
            message for message in self._flying if not sender or (message.sender, message.to) == (_id(sender), _id(to))
        ]
        self._flying = [message for message in self._flying if message not in taken]
        return taken

    def _deliver_all(self) -> Iterator[str]:
        """Until nothing is on its way. A stream of a snapshot ends when it arrives."""
        while self._flying:
            yield from self._deliver(self._flying.pop(0))

    def _deliver(self, message: Message) -> Iterator[str]:
        """One message arrives, or does not."""
        to = self._actors.get(message.to)
        if to is None or to.raft is None or self._cut & {message.sender, message.to}:
            return
        yield from self._step(message.to, f"hears from {message.sender}: {said(message)}", message)
        if isinstance(message, Install):
            yield from self._step(message.sender, "", SnapshotSent(message.to, ok=True, mark=message.mark))

    def _state(self) -> Iterator[str]:
        """One line a node."""
        for node, actor in self._actors.items():
            raft = actor.raft
            if raft is None:
                yield f"{node} is down"
                continue
            log = raft._state.log
            terms = " ".join(str(entry.term) for entry in log.slice(log.base_index, log.last_index))
            yield (
                f"{node} {raft.role.value}, term {raft.term}, leader {raft.leader or '-'}, commit {raft.commit}, "
                f"log {log.base_index}/{log.base_term} | {terms or '-'}"
            )

    def _progress(self, node: NodeId) -> Iterator[str]:
        """One line a peer."""
        raft = self._actors[node].raft
        assert raft is not None
        for peer, progress in raft.progress().items():
            active = "active" if progress.is_active else "silent"
            yield (
                f"{peer} {progress.state.value}, match {progress.match}, next {progress.next}, "
                f"{progress.inflight} in flight, {active}, heard {progress.heard_ticks} ticks ago"
            )


def _outcome(raft: Raft, before: tuple[Role, int], config: Config, ready: Ready) -> Iterator[str]:
    """What a step came to, but for what is sent and stored."""
    if (raft.role, raft.term) != before:
        yield f"is {raft.role.value} in term {raft.term}"
    if ready.is_change_refused:
        yield "refuses the change"
    if ready.committed:
        yield f"applies {entries_text(ready.committed)}"
    if raft.config != config:
        yield f"lives by {config_text(raft.config)}"
    for read in ready.reads:
        yield f"may answer read {read.context} as of {read.index}"
    for context in ready.lost_reads:
        yield f"loses read {context}"


def _stored(ready: Ready) -> Iterator[str]:
    """What a Ready wants stored, but for a mere commit index."""
    if ready.snapshot is not None:
        mark = ready.snapshot
        yield f"a snapshot as of {mark.index}/{mark.term} with {config_text(mark.config)}"
    if ready.hard_state is not None and ready.must_sync:
        state = ready.hard_state
        yield f"term {state.term}, vote {state.vote or '-'}, commit {state.commit}"
    if ready.entries:
        yield entries_text(ready.entries)


def _id(word: str) -> NodeId:
    return NodeId(int(word))
