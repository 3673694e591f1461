"""One chainfire node on a disk that loses what was not synced: many lives from one seed, each ended by a power cut.

A life opens the state folder, checks what it finds, writes batches of random commands and snapshots, until the power
goes in the middle of a sync. What must hold: the node starts again; everything acknowledged is there; of the batch that
was being written all or nothing is there; the state is the one that the same commands give without a disk.

Run it: ./dev sim chainfire --seeds N [--json]
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
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from chainfire.core import entry, snapshot
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
from chainfire.core.query import read_range
from chainfire.errors import StorageError
from chainfire.shell import snapshots
from chainfire.shell.recovery import SNAPSHOT_FOLDER, Recovered, recover
from ultracloud.base.faults import Fault
from ultracloud.testkit.sim.disk import SimDisk

LIVES = 6
"""Power cuts a seed: enough for cuts during recovery, rolling over, snapshots and plain writes to meet each other."""
SEGMENT_BYTES = 4096
"""Small, so that a life rolls over several times."""
SYNCS_MAX = 40
"""A life ends after at most this many syncs."""
KEYS = 8
BATCH_MAX = 6


class PowerCutError(Exception):
    """The power is gone."""


class BrokenPromiseError(Exception):
    """The node broke what it promises; the sentence says what."""


@dataclass(slots=True)
class World:
    """What the outside knows: commands that were acknowledged, and the batch that nobody has an answer to."""

    random: Random
    acknowledged: list[Command] = field(default_factory=list)
    in_flight: list[Command] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Run seeds; print what failed."""
    parser = argparse.ArgumentParser(prog="./dev sim chainfire", description=__doc__)
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
        BrokenPromiseError: The node broke a promise.
    """
    world = World(Random(seed))  # noqa: S311 - a simulation repeats itself
    with tempfile.TemporaryDirectory() as scratch:
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
                recovered = recover(folder, SEGMENT_BYTES, world.random.randbytes)
            except (Fault, StorageError, OSError) as refusal:
                raise BrokenPromiseError(f"it does not start after a power cut: {refusal}") from refusal
            check(world, recovered)
            try:
                while True:
                    write(world, recovered, folder)
            finally:
                recovered.log.close()


def check(world: World, recovered: Recovered) -> None:
    """Compare what came back with what was promised; what came back of an unanswered batch counts from now on."""
    promised, found = len(world.acknowledged), recovered.machine.applied_index
    if found not in (promised, promised + len(world.in_flight)):
        raise BrokenPromiseError(
            f"{promised} commands were acknowledged and {len(world.in_flight)} were not yet; {found} are there"
        )
    if found > promised:
        world.acknowledged += world.in_flight
    world.in_flight = []
    expected = Machine()
    for index, command in enumerate(world.acknowledged, 1):
        with suppress(Fault):
            expected.apply(index, command)
    if state_of(recovered.machine) != state_of(expected):
        raise BrokenPromiseError(f"after {found} commands the state is {state_of(recovered.machine)!r:.300}")
    world.trace.append(f"life: {found} commands, revision {expected.revision}, {recovered.replayed} replayed")


def write(world: World, recovered: Recovered, folder: Path) -> None:
    """Write one batch and apply it; now and then a snapshot, which lets old segments go."""
    random, machine, log = world.random, recovered.machine, recovered.log
    world.in_flight = [command(random) for _ in range(random.randint(1, BATCH_MAX))]
    first = machine.applied_index + 1
    log.append_batch(first, recovered.term, [entry.encode(each) for each in world.in_flight])
    for index, each in enumerate(world.in_flight, first):
        with suppress(Fault):
            machine.apply(index, each)
    machine.store.take_changes()
    world.acknowledged += world.in_flight
    world.in_flight = []
    if random.random() < 0.1:  # noqa: PLR2004 - now and then
        head = snapshot.head_of(machine, recovered.term, recovered.cluster_id, recovered.member_id)
        frames = snapshot.frames_of(machine, head)
        asyncio.run(snapshots.write(folder / SNAPSHOT_FOLDER, head.index, frames))
        log.drop_before(head.index + 1)


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
