"""Messages, entries and configurations in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from ultracloud.raft.config import parse
from ultracloud.raft.events import ChangeKind, NodeChange
from ultracloud.raft.messages import (
    Append,
    Appended,
    Forward,
    Heartbeat,
    HeartbeatReply,
    Install,
    Message,
    ReadReply,
    ReadRequest,
    TimeoutNow,
    Vote,
    VoteRequest,
)
from ultracloud.raft.words import Config, Entry, EntryKind, NodeId

SIGNS = {"+": ChangeKind.ADD_VOTER, "~": ChangeKind.ADD_LEARNER, "-": ChangeKind.REMOVE}


def said(message: Message) -> str:  # noqa: C901, PLR0911, PLR0912 - one branch a message
    """What one node says to another."""
    m = message
    match m:
        case Append():
            entries = entries_text(m.entries) if m.entries else "nothing"
            return f"Append term {m.term}, after {m.prev_index}/{m.prev_term} {entries}, commit {m.commit}"
        case Appended() if m.rejected:
            return f"Appended term {m.term}, no: not {m.index}, try {m.hint_index}/{m.hint_term}"
        case Appended():
            return f"Appended term {m.term}, up to {m.index}"
        case Heartbeat():
            return f"Heartbeat term {m.term}, commit {m.commit}" + (f", round {m.round}" if m.round else "")
        case HeartbeatReply():
            return f"HeartbeatReply term {m.term}, round {m.round}"
        case VoteRequest():
            ask = "PreVoteRequest" if m.is_pre else "VoteRequest"
            why = ", the leader wants it" if m.is_transfer else ""
            return f"{ask} term {m.term}, log ends {m.last_index}/{m.last_term}{why}"
        case Vote():
            return f"{'PreVote' if m.is_pre else 'Vote'} term {m.term}, {'yes' if m.granted else 'no'}"
        case Install():
            return f"Install term {m.term}, as of {m.mark.index}/{m.mark.term}, {config_text(m.mark.config)}"
        case TimeoutNow():
            return f"TimeoutNow term {m.term}"
        case Forward():
            return f"Forward {' '.join(body.decode() for body in m.bodies)}"
        case ReadRequest():
            return f"ReadRequest term {m.term}, number {m.context}"
        case ReadReply():
            return f"ReadReply term {m.term}, number {m.context} as of {m.index}"
        case _:
            assert_never(m)


def entries_text(entries: Sequence[Entry]) -> str:
    """Entries, with runs of empty ones told apart."""
    return ", ".join(f"{entry.index}/{entry.term}{_body(entry)}" for entry in entries)


def _body(entry: Entry) -> str:
    if entry.kind is EntryKind.CONFIG:
        changes, _ = parse(entry.body)
        signs = {kind: sign for sign, kind in SIGNS.items()}
        return " change " + (" ".join(f"{signs[change.kind]}{change.node}" for change in changes) or "leave joint")
    return f" {entry.body.decode()}" if entry.body else " -"


def config_text(config: Config) -> str:
    """Who takes part."""
    parts = [f"voters {_nodes(config.voters)}"]
    if config.outgoing:
        parts.append(f"outgoing {_nodes(config.outgoing)}")
    if config.learners:
        parts.append(f"learners {_nodes(config.learners)}")
    if config.learners_next:
        parts.append(f"then learners {_nodes(config.learners_next)}")
    return ", ".join(parts)


def _nodes(nodes: frozenset[NodeId]) -> str:
    return " ".join(map(str, sorted(nodes))) or "-"


def changes_of(words: Sequence[str]) -> tuple[NodeChange, ...]:
    """Changes from words like +4, ~5 and -3."""
    return tuple(NodeChange(SIGNS[word[0]], NodeId(int(word[1:]))) for word in words)
