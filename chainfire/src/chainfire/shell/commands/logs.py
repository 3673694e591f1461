"""`chainfire wal dump | verify`: reads the log of a stopped member, and changes nothing."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from chainfire.core import wal
from chainfire.core.commands import By
from chainfire.core.entry import MalformedEntryError
from chainfire.core.work import command_of
from chainfire.errors import StorageError
from chainfire.shell import snapshots
from chainfire.shell.recovery import LOG_FOLDER, SNAPSHOT_FOLDER, joined, tail_of
from chainfire.shell.segments import SEGMENT_SUFFIX
from ultracloud.raft import config as raft_config
from ultracloud.raft.words import Entry, EntryKind, SnapshotMark
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.printing import add_output_argument, print_json, print_one, say
from ultracloud.servicekit.state_dir import hold_state_dir

IDS = ("lease", "member", "member_id")
"""Fields that people read in hexadecimal digits, as etcd's tools print them."""
SHOWN_BYTES = 60
"""Of a key or value in a table; JSON has all of it."""
Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"


@dataclass(slots=True)
class Scan:
    """A reading of a log, segment by segment; stops at the first damage.

    Attributes:
        damage: File, offset and what is wrong; None so far.
        torn: File and offset of a record that a crash cut off, which nobody was promised.
    """

    folder: Path
    record_count: int = 0
    entry_count: int = 0
    segment_count: int = 0
    last_index: int = 0
    last_term: int = 0
    damage: tuple[Path, int, str] | None = None
    torn: tuple[Path, int] | None = None
    cluster_id: int = 0
    member_id: int = 0
    _next: tuple[int, int] | None = field(default=None)

    def records(self) -> Iterator[tuple[Path, int, wal.Payload]]:
        """Each record's file and offset."""
        paths = sorted((self.folder / LOG_FOLDER).glob(f"*{SEGMENT_SUFFIX}"))
        for number, path in enumerate(paths):
            content = path.read_bytes()
            header = wal.parse_segment_header(content)
            if isinstance(header, wal.Corruption):
                self.damage = (path, header.offset, header.reason)
                return
            if not self._follows(path, header):
                return
            segment = wal.Segment(content, header, is_last=number == len(paths) - 1)
            for offset, payload in segment.records():
                self._count(payload)
                yield path, offset, payload
            self.segment_count += 1
            self._next = (header.sequence + 1, segment.next_record)
            if isinstance(segment.end, wal.Corruption):
                self.damage = (path, segment.end.offset, segment.end.reason)
                return
            if isinstance(segment.end, wal.TornTail):
                self.torn = (path, segment.end.offset)

    def _follows(self, path: Path, header: wal.SegmentHeader) -> bool:
        if self._next is not None and self._next != (header.sequence, header.first_record):
            wanted, first = self._next
            reason = f"segment {header.sequence} begins with record {header.first_record}, where segment {wanted} with "
            self.damage = (path, 0, f"{reason}record {first} belongs: a segment is missing")
            return False
        self.cluster_id, self.member_id = header.cluster_id, header.member_id
        return True

    def _count(self, payload: wal.Payload) -> None:
        self.record_count += 1
        if isinstance(payload, wal.Batch):
            self.entry_count += len(payload.entries)
            if payload.entries:
                self.last_index, self.last_term = payload.entries[-1].index, payload.entries[-1].term
        else:
            self.last_index, self.last_term = payload.index, payload.term


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands below `wal`."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    dump = commands.add_parser("dump", help="print what the log of a stopped member holds")
    _add_folder(dump)
    dump.add_argument("--from", type=int, default=0, dest="start", metavar="INDEX", help="first log index to print")
    dump.set_defaults(run=_dump)
    verify = commands.add_parser("verify", help="check log and snapshot of a stopped member; exit code 1 if damaged")
    _add_folder(verify)
    verify.set_defaults(run=_verify)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("state_dir", type=Path, metavar="STATE_DIR", help="of a member that does not run")
    add_output_argument(parser)


def _dump(arguments: argparse.Namespace) -> int:
    held = hold_state_dir("chainfire", arguments.state_dir)
    try:
        scan = Scan(arguments.state_dir)
        for path, offset, payload in scan.records():
            for line in _lines(payload, arguments.start):
                told = {"segment": path.name, "offset": offset, **line}
                if arguments.output == "json":
                    print_json(told)
                else:
                    say(_text(told))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StartError(f"{error.filename or arguments.state_dir}: {error.strerror}") from error
    finally:
        held.close()
    if scan.damage is not None:
        path, offset, reason = scan.damage
        raise StartError(f"{path} is corrupt at offset {offset}: {reason}; chainfire wal verify says how to repair it")
    return 0


def _lines(payload: wal.Payload, start: int) -> Iterator[dict[str, Json]]:
    """What a record says, from log index `start` on."""
    state = payload.state
    told: dict[str, Json] = {"term": state.term, "vote": f"{state.vote:x}", "commit": state.commit}
    if isinstance(payload, wal.Mark):
        yield {"what": "mark", "index": payload.index, "entry_term": payload.term, **told}
        return
    if not start:
        yield {"what": "state", **told, "entries": len(payload.entries)}
    for entry in payload.entries:
        if entry.index >= start:
            yield {"what": "entry", "index": entry.index, "entry_term": entry.term, **_said(entry)}


def _said(entry: Entry) -> dict[str, Json]:
    """What an entry says: its command, who asked for it, and who takes part from then on."""
    told: dict[str, Json] = {}
    try:
        command: object = command_of(entry)
        if entry.kind is EntryKind.CONFIG:
            changes, _ = raft_config.parse(entry.body)
            told["changes"] = [f"{change.kind.name} {change.node:x}" for change in changes]
    except (MalformedEntryError, raft_config.MalformedError) as error:
        return {"does": "?", "error": str(error)}
    if isinstance(command, By):
        told |= {"user": command.caller.user} if command.caller.user else {}
        command = command.command
    return {"does": "Nothing" if command is None else type(command).__name__, **_fields(command), **told}


def _fields(thing: object) -> dict[str, Json]:
    """A command's fields, those at their defaults left out."""
    if not dataclasses.is_dataclass(thing):
        return {}
    told: dict[str, Json] = {}
    for each in dataclasses.fields(thing):
        value = getattr(thing, each.name)
        if each.default is dataclasses.MISSING or value != each.default:
            told[each.name] = f"{value:x}" if each.name in IDS and isinstance(value, int) else _plain(value)
    return told


def _plain(value: object) -> Json:
    match value:
        case bytes():
            return value.decode(errors="backslashreplace")
        case Enum():
            return value.name
        case None | bool() | int() | str():
            return value
        case tuple() | list():
            return [_plain(each) for each in value]
    return {"does": type(value).__name__, **_fields(value)}


def _text(told: Mapping[str, Json]) -> str:
    """One line for people."""
    head = f"{told['segment']}:{told['offset']}"
    rest = " ".join(
        f"{key}={_cut(value)}" for key, value in told.items() if key not in ("segment", "offset", "what", "does")
    )
    return " ".join(word for word in (f"{head:28}", str(told["what"]), str(told.get("does", "")), rest) if word)


def _cut(value: Json) -> str:
    text = value if isinstance(value, str) and value.isalnum() else repr(value)
    return text if len(text) <= SHOWN_BYTES else f"{text[:SHOWN_BYTES]}... ({len(text)})"


def _verify(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.state_dir
    held = hold_state_dir("chainfire", folder)
    try:
        found = _Findings(folder)
        found.look()
    except OSError as error:
        raise StartError(f"{error.filename or folder}: {error.strerror}") from error
    finally:
        held.close()
    print_one(found.told(), arguments.output)
    return 1 if found.damage else 0


class _Findings:
    """What `wal verify` finds.

    Attributes:
        damage: One sentence; empty if there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.damage = ""
        self._folder = folder
        self._scan = Scan(folder)
        self._voters: int | None = None
        self._snapshot = ""

    def look(self) -> None:
        """Read everything."""
        path = snapshots.newest(self._folder / SNAPSHOT_FOLDER)
        mark = self._read_snapshot(path) if path is not None else None
        payloads = [payload for _, _, payload in self._scan.records()]
        if self._scan.damage is not None:
            file, offset, reason = self._scan.damage
            self.damage = f"{file} is corrupt at offset {offset}: {reason}"
        elif path is None and payloads:
            self.damage = f"{self._folder / SNAPSHOT_FOLDER} holds no snapshot, which the log needs to begin from"
        elif path is not None and not self._scan.segment_count:
            self.damage = f"{path} is there but the log is not"
        elif mark is not None:
            try:
                joined(self._folder, mark, tail_of(payloads))
            except StorageError as error:
                self.damage = str(error)

    def _read_snapshot(self, path: Path) -> SnapshotMark | None:
        try:
            restore = snapshots.load(path)
        except StorageError as error:
            self.damage = str(error)
            return None
        assert restore.head is not None, path
        self._snapshot = path.name
        self._voters = len(restore.config.voters)
        return SnapshotMark(restore.head.index, restore.head.term, restore.config)

    def told(self) -> dict[str, str | int | list[str]]:
        """The answer."""
        scan = self._scan
        told: dict[str, str | int | list[str]] = {
            "state_dir": str(self._folder),
            "member_id": f"{scan.member_id:x}",
            "cluster_id": f"{scan.cluster_id:x}",
            "snapshot": self._snapshot or "none",
            "segments": scan.segment_count,
            "records": scan.record_count,
            "entries": scan.entry_count,
            "last_index": scan.last_index,
            "last_term": scan.last_term,
            "verdict": "damaged" if self.damage else "sound",
        }
        if scan.torn is not None:
            path, offset = scan.torn
            told["torn_tail"] = (
                f"{path} at offset {offset}: a crash cut it off, nobody was promised it; a start drops it"
            )
        if self.damage:
            told["damage"] = self.damage
            told["repair"] = self._repair()
        return told

    def _repair(self) -> list[str]:
        """What to do, as commands."""
        again = f"empty {self._folder}"
        if self._voters == 1:
            return [
                f"chainfire snapshot restore BACKUP --name NAME --state-dir {self._folder}.new",
                "this member is alone: what was written after the backup and cannot be read here is lost",
            ]
        member = f"{self._scan.member_id:x}" if self._scan.member_id else "ID"
        return [
            f"chainfire member replace {member} --endpoint ANOTHER-MEMBER:2379",
            again,
            "start it with the configuration that this prints: it receives everything from the others",
        ]
