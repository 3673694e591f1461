"""The disk code of one chainfire member on a disk that loses what was not synced: many lives from one seed.

A life opens the state folder, checks what it finds, writes what Raft would have stored (entries, replaced entries, hard
states, a leader's snapshot) and snapshots of its own, until the power goes in the middle of a sync. What must hold: the
member starts again; everything that was durable is there; of the record that was being written all or nothing is there;
the state is the one that the same entries give without a disk. `sim/chainfire` simulates whole clusters on a simpler
disk.

Run it: ./dev sim chainfire_disk --seeds N [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from chainfire.core import entry, snapshot, wal
from chainfire.core.commands import (
    Command,
    Compact,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRange,
    LeaseGrant,
    LeaseRevoke,
    Put,
    Range,
    Txn,
)
from chainfire.core.keyvalue import LeaseId
from chainfire.core.machine import Machine
from chainfire.core.membership import Member, Membership
from chainfire.core.query import read_range
from chainfire.core.work import HEAD_BYTES
from chainfire.errors import StorageError
from chainfire.shell import snapshots
from chainfire.shell.recovery import FIRST_INDEX, FIRST_TERM, SNAPSHOT_FOLDER, Founding, Recovered, recover
from ultracloud.base.faults import Fault
from ultracloud.raft.words import Config, Entry, EntryKind, HardState, NodeId
from ultracloud.testkit.sim.disk import SimDisk

LIVES = 6
"""Power cuts a seed: enough for cuts during recovery, rolling over, snapshots and plain writes to meet each other."""
SEGMENT_BYTES = 4096
"""Small, so that a life rolls over several times."""
SYNCS_MAX = 40
"""A life ends after at most this many syncs."""
KEYS = 8
MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it is made safely
BATCH_MAX = 6
MEMBERS = (Member(1, "m1", ("http://m1",)), Member(2, "m2", ("http://m2",)))
FOUNDING = Founding(cluster_id=9, member_id=1, members=MEMBERS)
BEGINNING = HardState(FIRST_TERM, NodeId(0), FIRST_INDEX)
CONFIG = Config(frozenset({NodeId(1), NodeId(2)}))


class PowerCutError(Exception):
    """The power is gone."""


class BrokenPromiseError(Exception):
    """The member broke what it promises; the sentence says what."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is durable: the hard state, and the log after `start`."""

    state: HardState = BEGINNING
    entries: tuple[Entry, ...] = ()
    start: int = FIRST_INDEX

    @property
    def last_index(self) -> int:
        """Where the log ends."""
        return self.start + len(self.entries)

    def up_to(self, index: int) -> tuple[Entry, ...]:
        """Entries up to an index."""
        return self.entries[: max(0, index - self.start)]


@dataclass(slots=True)
class World:
    """What the outside knows: what is durable, what may be, and every entry that was ever committed."""

    random: Random
    kept: Kept = Kept()
    in_flight: Kept | None = None
    committed: dict[int, Entry] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Run seeds; print what failed."""
    parser = argparse.ArgumentParser(prog="./dev sim chainfire_disk", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many seeds to run (default: 200)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    failed: list[int] = []
    for seed in range(options.first, options.first + options.seeds):
        try:
            simulate(seed)
        except BrokenPromiseError as broken:
            failed.append(seed)
            sys.stderr.write(f"seed {seed}: {broken}; again with --first {seed} --seeds 1\n")
    seconds = round(time.monotonic() - started, 1)
    if options.json:
        sys.stdout.write(json.dumps({"seeds": options.seeds, "failed": failed, "seconds": seconds}) + "\n")
    else:
        sys.stdout.write(f"{options.seeds} seeds, {len(failed)} failed, {seconds} s\n")
    return 1 if failed else 0


def simulate(seed: int) -> list[str]:
    """Run one seed and give its trace, the same every time.

    Raises:
        BrokenPromiseError: The member broke a promise.
    """
    world = World(Random(seed))  # noqa: S311 - a simulation repeats itself
    # In memory where there is such a folder: what lasts is simulated, and a real disk is only slower.
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        folder = Path(scratch) / "0"
        folder.mkdir()
        for life in range(LIVES):
            after = Path(scratch) / str(life + 1)
            live(world, folder, after)
            folder = after
    return world.trace


def live(world: World, folder: Path, after: Path) -> None:
    """One life on `folder`, which ends with a power cut that leaves `after`."""
    left = world.random.randint(0, SYNCS_MAX)

    def count_down() -> None:
        nonlocal left
        if left == 0:
            disk.before_sync = lambda: None
            disk.cut(world.random.getrandbits(32), after)
            raise PowerCutError
        left -= 1

    with SimDisk(folder) as disk:
        disk.before_sync = count_down
        with suppress(PowerCutError):
            try:
                recovered = recover(folder, SEGMENT_BYTES, world.random.randbytes, lambda: FOUNDING)
            except (Fault, StorageError, OSError) as refusal:
                raise BrokenPromiseError(f"it does not start after a power cut: {refusal}") from refusal
            check(world, recovered)
            try:
                while True:
                    write(world, recovered, folder)
            finally:
                recovered.log.close()


def check(world: World, recovered: Recovered) -> None:
    """Compare what came back with what was durable; what came back of the record in flight counts from now on."""
    restored, mark = recovered.restored, recovered.mark
    found = (restored.hard_state.term, restored.hard_state.vote, mark.index + len(restored.entries))
    for kept in filter(None, (world.kept, world.in_flight)):
        after = kept.entries[mark.index - kept.start :] if mark.index >= kept.start else None
        if (kept.state.term, kept.state.vote, kept.last_index) == found and after == restored.entries:
            keep(world, kept)
            break
    else:
        raise BrokenPromiseError(f"{found} is there, which is neither {world.kept!r:.200} nor {world.in_flight!r:.200}")
    if restored.hard_state.commit > mark.index + len(restored.entries):
        raise BrokenPromiseError(f"{restored.hard_state} is there, but the log ends at {found[2]}")
    expected = machine_of(world, mark.index)
    if state_of(recovered.machine) != state_of(expected):
        raise BrokenPromiseError(f"as of {mark.index} the state is {state_of(recovered.machine)!r:.300}")
    world.trace.append(f"life: snapshot {mark.index}, {len(restored.entries)} entries, revision {expected.revision}")


def write(world: World, recovered: Recovered, folder: Path) -> None:
    """Store something, or write a snapshot."""
    kind = world.random.random()
    if kind < 0.1:  # noqa: PLR2004 - now and then
        write_snapshot(world, recovered, folder)
    elif kind < 0.15:  # noqa: PLR2004 - more rarely
        install(world, recovered, folder)
    else:
        store(world, recovered)


def store(world: World, recovered: Recovered) -> None:
    """Store entries, which may replace some that are not committed; a hard state alone now and then."""
    random, kept = world.random, world.kept
    state = kept.state
    first = kept.last_index + 1
    if kept.last_index > state.commit and random.random() < 0.2:  # noqa: PLR2004 - now and then
        first = random.randint(state.commit + 1, kept.last_index)
        state = replace(state, term=state.term + 1, vote=NodeId(random.randint(0, 2)))
    state = replace(state, term=max(state.term, FIRST_TERM + 1))
    count = random.choice((0, random.randint(1, BATCH_MAX)))
    if count == 0:
        state = replace(state, term=state.term + 1, vote=NodeId(random.randint(0, 2)))
        first = kept.last_index + 1
    bodies = [bytes(HEAD_BYTES) + entry.encode(command(random)) for _ in range(count)]
    entries = tuple(Entry(at, state.term, EntryKind.NORMAL, body) for at, body in enumerate(bodies, first))
    now = replace(kept, entries=kept.up_to(first - 1) + entries)
    now = replace(now, state=replace(state, commit=random.randint(state.commit, now.last_index)))
    world.in_flight = now
    recovered.log.append(now.state, entries)
    keep(world, now)


def keep(world: World, now: Kept) -> None:
    """Something is durable."""
    world.kept, world.in_flight = now, None
    world.committed |= {each.index: each for each in now.up_to(now.state.commit)}


def write_snapshot(world: World, recovered: Recovered, folder: Path) -> None:
    """Write the state as of what is committed, and drop the log before."""
    at = world.kept.state.commit
    if at <= max(world.kept.start, recovered.mark.index):
        return
    machine = machine_of(world, at)
    head = snapshot.head_of(machine, world.committed[at].term, recovered.cluster_id, recovered.member_id)
    asyncio.run(snapshots.write(folder / SNAPSHOT_FOLDER, at, snapshot.frames_of(machine, head, CONFIG)))
    recovered.log.drop_before(at + 1)


def install(world: World, recovered: Recovered, folder: Path) -> None:
    """Take a leader's snapshot of a log that goes further, then say in the log that it begins anew."""
    random, kept = world.random, world.kept
    term = kept.state.term + 1
    last = kept.last_index + random.randint(1, 5)
    committed = kept.state.commit
    ahead = {
        at: Entry(at, term, EntryKind.NORMAL, bytes(HEAD_BYTES) + entry.encode(command(random)))
        for at in range(committed + 1, last + 1)
    }
    world.committed |= ahead
    machine = machine_of(world, last)
    head = snapshot.head_of(machine, term, recovered.cluster_id, 2)
    now = Kept(HardState(term, NodeId(0), last), (), last)
    # The snapshot alone, in whose term nobody was voted for: what is left if the power goes between the two.
    world.in_flight = Kept(HardState(term, NodeId(0), last), (), last)
    asyncio.run(snapshots.write(folder / SNAPSHOT_FOLDER, last, snapshot.frames_of(machine, head, CONFIG)))
    world.kept, world.in_flight = world.in_flight, now
    recovered.log.append_mark(wal.Mark(now.state, last, term))
    world.kept, world.in_flight = now, None


def machine_of(world: World, index: int) -> Machine:
    """The state that the committed entries up to `index` give."""
    machine = Machine()
    machine.members = Membership(MEMBERS)
    machine.applied_index = FIRST_INDEX
    for at in range(FIRST_INDEX + 1, index + 1):
        with suppress(Fault):
            machine.apply(at, entry.decode(world.committed[at].body[HEAD_BYTES:]))
    return machine


def command(random: Random) -> Command:
    """A random command over few keys and leases, so that they meet; puts are as likely as all others together."""
    key, lease = f"k{random.randrange(KEYS)}".encode(), LeaseId(random.randint(1, 3))
    put = Put(key, random.randbytes(random.choice((0, 8, 300))))
    exists = Compare(key, CompareTarget.VERSION, CompareResult.GREATER, 0)
    others: tuple[Command, ...] = (
        DeleteRange(key),
        DeleteRange(key, b"k9"),
        LeaseGrant(lease, 60),
        LeaseRevoke(lease),
        Put(key, b"leased", lease=lease),
        Txn((exists,), (put, DeleteRange(b"k0")), (Put(key, b"first"),)),
        Compact(random.randint(1, 60)),
    )
    return random.choice((put, random.choice(others)))


def state_of(machine: Machine) -> object:
    """All that a client could see."""
    everything = read_range(machine.store, Range(b"\0", b"\0"), machine.revision)
    return machine.revision, everything, sorted((lease.lease, lease.ttl_s) for lease in machine.leases.all())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
