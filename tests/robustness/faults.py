"""What goes wrong, and how it is made well again.

A fault is a coroutine of a scene: it breaks something, holds it for a while, and mends it. What a fault needs that is
not there (a shim that reaches the server, a small disk) is said in NEEDS, and the schedule leaves it out.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from tests.robustness.bed import Bed, BedError, Member
from ultracloud.base.faults import Fault, NotFoundError
from ultracloud.servicekit.coordination import Coordination, Status

DoneT = TypeVar("DoneT")

HOLD_S = (0.8, 2.5)
"""How long something stays broken: from less than an election to more than two."""
SLOW_SYNC_S = 0.4
"""Of a slow disk: less than the default election timeout, so that its member may lead, badly."""
FULL_S, FULL_WRITES = 8.0, 80
"""A log has room that it allocated before the disk was full: so many large writes use it up."""
JUMP_S = 86_400.0
STATUS_S = 1.0
PAUSE_S = 0.2
"""Before what was refused is asked again."""
STARTED_S = 3.0
"""A member is up by then, or as good as."""
CARE_S = 20.0
"""Within this a healthy majority must do what an operator asks of it."""


@dataclass(slots=True)
class Scene:
    """What a fault finds.

    Attributes:
        write_large: Writes a large value at a member; whether it was accepted.
        notes: What was done when, in milliseconds of the record; for the report.
        leaders_killed_ms: When leaders were killed, and nobody else.
    """

    bed: Bed
    random: Random
    now_ms: Callable[[], float]
    write_large: Callable[[Member], Awaitable[bool]]
    notes: list[tuple[float, str]] = field(default_factory=list)
    leaders_killed_ms: list[float] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Write down what is done now."""
        self.notes.append((self.now_ms(), text))

    async def hold(self) -> None:
        """Leave it broken for a while."""
        await asyncio.sleep(self.random.uniform(*HOLD_S))

    def pick(self, count: int = 1) -> list[Member]:
        """Members that run, drawn."""
        running = [member for member in self.bed.members if member.is_running]
        return self.random.sample(running, min(count, len(running)))

    def others(self, *members: Member) -> list[Member]:
        """All the other members."""
        return [each for each in self.bed.members if each not in members]

    async def leader(self) -> Member:
        """Who leads, as most say; somebody, if nobody does."""
        found = await leader_of(self.bed)
        return found or self.random.choice(self.bed.members)


async def statuses(bed: Bed) -> dict[str, Status]:
    """What the members say of themselves that answer; by name."""

    async def one(member: Member) -> Status | None:
        kv = bed.client(member, deadline_s=STATUS_S)
        try:
            return await kv.admin.status()
        except Fault:
            return None
        finally:
            await kv.close()

    members = tuple(bed.members)
    found = await asyncio.gather(*map(one, members))
    return {member.name: status for member, status in zip(members, found, strict=True) if status is not None}


async def leader_of(bed: Bed) -> Member | None:
    """The member that leads in the newest term anybody knows; None if none does."""
    known = await statuses(bed)
    newest = max((status.term for status in known.values()), default=0)
    ids = {status.leader for status in known.values() if status.term == newest} - {0}
    by_id = {status.member: name for name, status in known.items()}
    name = next((by_id[each] for each in ids if each in by_id), None)
    return next((member for member in bed.members if member.name == name), None)


def care_of(bed: Bed) -> Coordination:
    """A client for an operator's work."""
    return bed.client(deadline_s=STATUS_S * 3)


async def kill(scene: Scene, victims: Sequence[Member]) -> None:
    """Let some die at once, and come back."""
    scene.note(f"kill -9 {names(victims)}")
    for victim in victims:
        victim.kill()
    await scene.hold()
    scene.note(f"start {names(victims)}")
    for victim in victims:
        scene.bed.start(victim)


async def kill_leader(scene: Scene) -> None:
    """The leader dies and comes back."""
    leader = await scene.leader()
    scene.leaders_killed_ms.append(scene.now_ms())
    await kill(scene, [leader])


async def kill_follower(scene: Scene) -> None:
    """A follower dies and comes back."""
    await kill(scene, [scene.random.choice(scene.others(await scene.leader()))])


async def kill_all(scene: Scene) -> None:
    """All die at once, and come back."""
    await kill(scene, list(scene.bed.members))


async def kill_again_and_again(scene: Scene) -> None:
    """A member dies while it is still starting, several times."""
    (victim,) = scene.pick()
    for _ in range(4):
        scene.note(f"kill -9 {victim.name} while it starts")
        victim.kill()
        scene.bed.start(victim)
        await asyncio.sleep(scene.random.uniform(0.0, 0.6))


async def _stop(scene: Scene, victims: Sequence[Member]) -> None:
    scene.note(f"SIGSTOP {names(victims)}")
    for victim in victims:
        victim.stop()
    await scene.hold()
    scene.note(f"SIGCONT {names(victims)}")
    for victim in victims:
        victim.go_on()


async def stop_leader(scene: Scene) -> None:
    """The leader stands still, and goes on as if no time had passed."""
    await _stop(scene, [await scene.leader()])


async def stop_most(scene: Scene) -> None:
    """A majority stands still."""
    await _stop(scene, scene.pick(len(scene.bed.members) // 2 + 1))


async def _cut(scene: Scene, victim: Member, *, hears: bool = False, is_heard: bool = False) -> None:
    how = "hears nobody" if is_heard else "is heard by nobody" if hears else "is cut off"
    scene.note(f"{victim.name} {how}")
    victim.cut_from(scene.others(victim), hears=hears, is_heard=is_heard)
    await scene.hold()
    scene.note(f"{victim.name} is joined again")
    victim.join_again()


async def isolate_leader(scene: Scene) -> None:
    """The leader and the others do not reach each other; clients reach all."""
    await _cut(scene, await scene.leader())


async def isolate_follower(scene: Scene) -> None:
    """A follower and the others do not reach each other."""
    await _cut(scene, scene.random.choice(scene.others(await scene.leader())))


async def deafen_leader(scene: Scene) -> None:
    """The leader is heard and hears nobody."""
    await _cut(scene, await scene.leader(), is_heard=True)


async def silence_leader(scene: Scene) -> None:
    """The leader hears and nobody hears it."""
    await _cut(scene, await scene.leader(), hears=True)


async def deafen_follower(scene: Scene) -> None:
    """A follower is heard and hears nobody: it must not depose the leader again and again."""
    await _cut(scene, scene.random.choice(scene.others(await scene.leader())), is_heard=True)


async def split_pair(scene: Scene) -> None:
    """The leader and one follower do not reach each other; both reach the rest."""
    leader = await scene.leader()
    other = scene.random.choice(scene.others(leader))
    scene.note(f"{leader.name} and {other.name} do not reach each other")
    leader.cut_from([other])
    await scene.hold()
    scene.note("they do again")
    leader.join_again()


async def slow_disk(scene: Scene) -> None:
    """The leader's disk takes long to sync."""
    victim = await scene.leader()
    scene.note(f"{victim.name}: each sync takes {SLOW_SYNC_S:g} s")
    victim.shim.slow_disk(SLOW_SYNC_S)
    await scene.hold()
    scene.note(f"{victim.name}: syncs are quick again")
    victim.shim.slow_disk(0)


async def slow_disks(scene: Scene) -> None:
    """All disks take long to sync."""
    scene.note(f"all: each sync takes {SLOW_SYNC_S:g} s")
    for member in scene.bed.members:
        member.shim.slow_disk(SLOW_SYNC_S)
    await scene.hold()
    scene.note("all: syncs are quick again")
    for member in scene.bed.members:
        member.shim.slow_disk(0)


async def clock_jump(scene: Scene) -> None:
    """Wall clocks jump, apart: a day forwards, a day back."""
    for member in scene.bed.members:
        ahead_s = scene.random.choice((JUMP_S, -JUMP_S, 0.0))
        scene.note(f"{member.name}: the wall clock jumps by {ahead_s:g} s")
        member.shim.shift_clock(ahead_s)
    await scene.hold()
    scene.note("all wall clocks jump back")
    for member in scene.bed.members:
        member.shim.shift_clock(0)


async def full_disk(scene: Scene) -> None:
    """A member's disk is full; when there is room again it is started if it has ended, and the alarm is disarmed."""
    (victim,) = scene.pick()
    scene.note(f"{victim.name}: the disk is full")
    scene.bed.fill(victim)
    ends_at, written = time.monotonic() + FULL_S, 0
    while time.monotonic() < ends_at and written < FULL_WRITES:
        if await scene.write_large(scene.random.choice(scene.others(victim))):
            written += 1
        else:
            await asyncio.sleep(PAUSE_S)
    await scene.hold()
    how = "runs" if victim.is_running else "has ended"
    scene.note(f"{victim.name}: there is room again, {written} large writes later; it {how}")
    scene.bed.empty(victim)
    if not victim.is_running:
        scene.bed.start(victim)
    kv = care_of(scene.bed)
    try:
        await _persist(scene, kv.admin.disarm_no_space)
    finally:
        await kv.close()


async def replace_member(scene: Scene) -> None:
    """A member loses its disk; it is taken out and let in again as a new one, under load."""
    (victim,) = scene.pick()
    scene.note(f"{victim.name} loses its disk")
    scene.bed.wipe(victim)
    await _replace(scene, victim)


async def forget_and_start(scene: Scene) -> None:
    """A member that lost its disk is started as if nothing were: it must not take part; then it is replaced."""
    (victim,) = scene.pick()
    scene.note(f"{victim.name} loses its disk, and starts")
    scene.bed.wipe(victim)
    scene.bed.start(victim)
    await scene.hold()
    await asyncio.sleep(STARTED_S)
    scene.note(f"{victim.name} {'runs' if victim.is_running else 'has ended'}")
    scene.bed.wipe(victim)
    await _replace(scene, victim)


async def forget_when_all_die(scene: Scene) -> None:
    """All die and one loses its disk; it starts with one that lives, which may lack what the third has acknowledged."""
    (victim,) = scene.pick()
    others = scene.others(victim)
    scene.random.shuffle(others)
    scene.note(f"kill -9 of all, {victim.name} loses its disk, {others[-1].name} comes back last")
    for member in scene.bed.members:
        member.kill()
    scene.bed.wipe(victim)
    for member in (victim, *others[:-1]):
        scene.bed.start(member)
    await scene.hold()
    await asyncio.sleep(STARTED_S)
    scene.note(f"{others[-1].name} starts; {victim.name} {'runs' if victim.is_running else 'has ended'}")
    scene.bed.start(others[-1])
    await asyncio.sleep(STARTED_S)
    scene.note(f"{victim.name} {'runs' if victim.is_running else 'has ended'}")
    scene.bed.wipe(victim)
    await _replace(scene, victim)


async def _replace(scene: Scene, victim: Member) -> None:
    """Take a member out, and let it in as a new one."""
    kv = care_of(scene.bed)
    try:
        mine = await _persist(scene, lambda: _id_of(kv, victim))
        await _persist(scene, lambda: _remove(kv, mine))
        scene.note(f"{victim.name} is out")
        await _persist(scene, lambda: kv.admin.add_member([victim.place.peer_url]))
        scene.note(f"{victim.name} is in again")
        scene.bed.start(victim, joins=True)
    finally:
        await kv.close()


async def change_members(scene: Scene) -> None:
    """A fourth member learns, votes, and one of the others leaves for good."""
    kv = care_of(scene.bed)
    try:
        fresh = scene.bed.add()
        added = await _persist(scene, lambda: kv.admin.add_member([fresh.place.peer_url], is_learner=True))
        scene.note(f"{fresh.name} learns")
        scene.bed.start(fresh, joins=True)
        await _persist(scene, lambda: kv.admin.promote_member(added.id))
        scene.note(f"{fresh.name} votes")
        leaver = scene.random.choice(scene.others(fresh))
        mine = await _persist(scene, lambda: _id_of(kv, leaver))
        await _persist(scene, lambda: _remove(kv, mine))
        scene.note(f"{leaver.name} is out")
        scene.bed.forget(leaver)
    finally:
        await kv.close()


async def two_at_once(scene: Scene) -> None:
    """Two of the simple faults, at the same time."""
    simple = [name for name in possible(scene.bed) if name not in NEEDS_ALL | NEEDS_SMALL_DISK | {"two_at_once"}]
    first, second = scene.random.sample(simple, 2)
    await asyncio.gather(FAULTS[first](scene), FAULTS[second](scene))


async def _id_of(kv: Coordination, member: Member) -> int:
    members = await kv.admin.members()
    found = next((each.id for each in members if member.place.peer_url in each.peer_urls), None)
    assert found is not None, f"{member.name} is in no list of members"
    return found


async def _remove(kv: Coordination, member: int) -> None:
    """Take a member out; one that is out already has been taken out by a request whose answer was lost."""
    with contextlib.suppress(NotFoundError):
        await kv.admin.remove_member(member)


async def _persist(scene: Scene, act: Callable[[], Awaitable[DoneT]]) -> DoneT:
    """Ask for a change until it is done, as an operator would."""
    ends_at = time.monotonic() + CARE_S
    while True:
        try:
            return await act()
        except Fault as fault:
            if time.monotonic() > ends_at:
                raise BedError(f"a change of members was not done within {CARE_S:g} s: {fault}") from fault
            scene.note(f"again: {fault.public}")
            await asyncio.sleep(PAUSE_S)


def names(members: Sequence[Member]) -> str:
    """For people."""
    return ", ".join(member.name for member in members)


FAULTS: Mapping[str, Callable[[Scene], Awaitable[None]]] = {
    fault.__name__: fault
    for fault in (
        *(kill_leader, kill_follower, kill_all, kill_again_and_again, stop_leader, stop_most),
        *(isolate_leader, isolate_follower, deafen_leader, silence_leader, deafen_follower, split_pair),
        *(slow_disk, slow_disks, clock_jump, full_disk),
        *(replace_member, forget_and_start, forget_when_all_die, change_members, two_at_once),
    )
}
NEEDS_SHIM = frozenset({"slow_disk", "slow_disks", "clock_jump"})
NEEDS_SMALL_DISK = frozenset({"full_disk"})
STARTS_MOST = frozenset({"kill_all", "two_at_once", "forget_when_all_die"})
"""Faults after which most members may have to start first."""
NEEDS_ALL = frozenset({"replace_member", "forget_and_start", "forget_when_all_die", "change_members"})
"""Faults after which members must have caught up before the next may strike, or a majority is lost for good."""


def possible(bed: Bed) -> tuple[str, ...]:
    """The faults that this bed allows."""
    left_out = (frozenset() if bed.server.bends else NEEDS_SHIM) | (frozenset() if bed.is_small else NEEDS_SMALL_DISK)
    return tuple(name for name in FAULTS if name not in left_out)
