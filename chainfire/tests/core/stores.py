"""The store as a partner in conversations: words in, what it decided out."""

from __future__ import annotations

from chainfire.core import checks, entry
from chainfire.core.commands import (
    Alarm,
    AlarmAction,
    AlarmSet,
    Command,
    Compact,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    LeaseCheckpoint,
    LeaseGrant,
    LeaseRevoke,
    Operation,
    Put,
    Range,
    SortOrder,
    SortTarget,
    Txn,
)
from chainfire.core.keyvalue import KeyValue, LeaseId, prefix_end
from chainfire.core.machine import Machine
from chainfire.core.results import AlarmsResult, DeleteResult, LeaseGranted, PutResult, RangeResult, Result, TxnResult
from chainfire.errors import EtcdError

SIGNS = {
    "=": CompareResult.EQUAL,
    "!=": CompareResult.NOT_EQUAL,
    ">": CompareResult.GREATER,
    "<": CompareResult.LESS,
}


class StoreSpeaker:
    """Applies commands to a machine and says what happened; every command goes through the log's codec."""

    def __init__(self) -> None:
        self.machine = Machine()

    def say(self, words: list[str]) -> str:
        """Do one line; a refusal is an answer."""
        try:
            return self._do(words)
        except EtcdError as refusal:
            return f"{refusal.code_name}: {refusal.public}"

    def apply(self, command: Command) -> Result:
        """Apply a command as the log would bring it."""
        return self.machine.apply(self.machine.applied_index + 1, entry.decode(entry.encode(command)))

    def _do(self, words: list[str]) -> str:  # noqa: PLR0911 - one return a verb
        verb, *rest = words
        match verb:
            case "get":
                return shown(self.machine.range(parse_query(rest)))
            case "sweep":
                steps = sum(1 for _ in self.machine.store.sweep())
                return f"{steps} steps, {self.machine.store.stored_bytes} bytes stored"
            case "leases":
                return "\n".join(
                    f"lease {lease.lease}: {lease.ttl_s} s, keys {sorted(lease.keys)}"
                    for lease in self.machine.leases.all()
                )
            case "txn":
                command = parse_txn(rest)
                checks.check_txn(command)
                return shown(self.apply(command))
            case "checkpoints":
                return f"{ {lease.lease: lease.remaining_s for lease in self.machine.leases.all()} }"
            case "bytes":
                return f"{self.machine.store.stored_bytes} stored, {self.machine.store.live_bytes} live"
            case _:
                return shown(self.apply(parse(words)))


def parse(words: list[str]) -> Command:
    """A command from its words."""
    verb, *rest = words
    match verb:
        case "put" | "del":
            operation = _operation(words)
            assert not isinstance(operation, Range)
            return operation
        case "compact":
            return Compact(int(rest[0]))
        case "grant":
            return LeaseGrant(LeaseId(int(rest[0])), int(rest[1]))
        case "revoke":
            return LeaseRevoke(LeaseId(int(rest[0])))
        case "checkpoint":
            return LeaseCheckpoint(((LeaseId(int(rest[0])), int(rest[1])),))
        case "alarm":
            return AlarmSet(AlarmAction[rest[0].upper()], int(rest[1]), Alarm[rest[2].upper()])
        case _:
            raise AssertionError(words)


def parse_txn(words: list[str]) -> Txn:
    """`if a.version = 0 then put a 1 ; get b else del a`: comparisons and operations are separated by `;`."""
    parts: dict[str, list[list[str]]] = {"if": [], "then": [], "else": []}
    current: list[list[str]] = []
    depth = 0
    for word in words:
        depth += (word == "[") - (word == "]")
        if word in parts and not depth:
            current = parts[word]
            current.append([])
        elif word == ";" and not depth:
            current.append([])
        else:
            current[-1].append(word)
    return Txn(
        tuple(_compare(c) for c in parts["if"] if c),
        tuple(_operation(o) for o in parts["then"] if o),
        tuple(_operation(o) for o in parts["else"] if o),
    )


def _compare(words: list[str]) -> Compare:
    subject, sign, operand, *end = words
    key, _, target = subject.rpartition(".")
    kind = CompareTarget[target.upper()]
    value: bytes | int = operand.encode() if kind is CompareTarget.VALUE else int(operand)
    return Compare(key.encode(), kind, SIGNS[sign], value, end[0].encode() if end else b"")


def _operation(words: list[str]) -> Operation:
    verb, *rest = words
    if verb == "[":
        return parse_txn(rest[:-1])
    if verb == "get":
        return parse_query(rest)
    plain, options = split_options(rest[1:])
    key = rest[0].encode()
    if verb == "put":
        return Put(
            key,
            plain[0].encode() if plain else b"",
            LeaseId(int(options.get("lease", "0"))),
            prev_kv="prev" in options,
            ignore_value="keep-value" in options,
            ignore_lease="keep-lease" in options,
        )
    assert verb == "del", words
    return DeleteRange(key, end_of(key, plain, options), prev_kv="prev" in options)


def parse_query(words: list[str]) -> Range:
    """A range from its words."""
    key = words[0].encode()
    plain, options = split_options(words[1:])
    return Range(
        key,
        end_of(key, plain, options),
        limit=int(options.get("limit", "0")),
        revision=int(options.get("rev", "0")),
        order=SortOrder[options.get("order", "none").upper()],
        target=SortTarget[options.get("by", "key").upper()],
        keys_only="keys-only" in options,
        count_only="count-only" in options,
        min_mod_revision=int(options.get("min-mod", "0")),
        max_mod_revision=int(options.get("max-mod", "0")),
        min_create_revision=int(options.get("min-create", "0")),
        max_create_revision=int(options.get("max-create", "0")),
    )


def split_options(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Plain words, and those that begin with `--`."""
    plain = [word for word in words if not word.startswith("--")]
    options = dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))
    return plain, options


def end_of(key: bytes, plain: list[str], options: dict[str, str]) -> bytes:
    """The end of a range: a plain word, or what `--prefix` and `--from` mean."""
    if "prefix" in options:
        return prefix_end(key)
    if "from" in options:
        return b"\x00"
    return plain[0].encode() if plain else b""


def shown(result: Result, indent: str = "") -> str:
    """A result in words."""
    lines = [f"revision {result.revision}"]
    match result:
        case RangeResult():
            lines[0] += f", {result.count} keys" + (", more" if result.more else "")
            lines += [f"  {record_shown(record)}" for record in result.kvs]
        case PutResult():
            lines += [f"  was {record_shown(result.previous)}"] if result.previous else []
        case DeleteResult():
            lines[0] += f", {result.deleted} deleted"
            lines += [f"  was {record_shown(record)}" for record in result.previous]
        case TxnResult():
            lines[0] += ", then" if result.succeeded else ", else"
            lines += [shown(inner, "  ") for inner in result.results]
        case LeaseGranted():
            lines[0] += f", lease {result.lease} for {result.ttl_s} s"
        case AlarmsResult():
            # etcd's answers about alarms say no revision.
            lines = [", ".join(f"{alarm.name} of {member}" for member, alarm in result.alarms) or "no alarm"]
    return "\n".join(indent + line for line in "\n".join(lines).splitlines())


def record_shown(record: KeyValue) -> str:
    """A record in words."""
    if not record.version:
        return f"{record.key.decode()} deleted at {record.mod_revision}"
    lease = f", lease {record.lease}" if record.lease else ""
    return (
        f"{record.key.decode()}={record.value.decode()} "
        f"(created {record.create_revision}, mod {record.mod_revision}, version {record.version}{lease})"
    )
