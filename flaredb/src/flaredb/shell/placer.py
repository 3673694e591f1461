"""Placement as it runs: whoever holds the election looks at the map, plans, and has the steps carried out.

Each step names the epoch that it was planned by, so what is carried out twice, or by somebody who leads no more, does
nothing. A step counts as under way until the map shows what it did: what is planned meanwhile reckons with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from flaredb.core.placement import (
    ChangeReplicas,
    MergeRegions,
    Observed,
    Plan,
    Policy,
    SplitRegion,
    Step,
    TransferLead,
    shows,
)
from flaredb.core.placement_plan import plan
from flaredb.core.region import PEERS_MAX, RegionId
from flaredb.shell.cluster_map import ClusterMap
from ultracloud.base.faults import DeadlineExceededError, Fault
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.coordination import Coordinator, Election, Session

PLAN_S = 1.0
"""Between two rounds: half a heartbeat, so that what a step did is seen when the next one is planned."""
LISTEN_S = 2.5
"""Before the first round: a heartbeat, and a bit, so that all who are there have been heard."""
RETRY_S = 1.0
"""Before standing for election again."""
ASIDE_REGIONS = 300
"""A plan of so many takes 3 ms, which is about what a thread costs a loop that is busy."""
IDS = 1024
"""Ids reserved at once: one transaction in chainfire for hundreds of steps. What is left over is never given."""
LEAD_S, SPLIT_S, CHANGE_S = 5.0, 15.0, 300.0
"""A step that takes longer is given up and planned anew: a hand-over is a round trip, a split an entry of the log, and
a new replica is sent a whole region."""
SHOWN_S = 10.0
"""What is done shows in the map with a report, within a heartbeat; after this it is planned again, whatever shows."""

CarryOut = Callable[[Step], Awaitable[None]]


class Placer:
    """A candidate for placement; see the module.

    Args:
        cluster_map: Followed by somebody else.
        coordinator: Where the election is.
        clock: Where time comes from.
        policy: How regions are to stand.
        carry_out: Does a step; raises a Fault if it is refused. It is cancelled when it takes too long.
        log: Where steps, and what cannot be done, are told.

    Attributes:
        troubles: Of the last round, while this one leads.
        is_deciding: Whether this one leads.
        counted: Told of each step that ended whether it is ``done`` or ``failed``.
    """

    def __init__(
        self,
        cluster_map: ClusterMap,
        coordinator: Coordinator,
        clock: Clock,
        policy: Policy,
        carry_out: CarryOut,
        log: logging.Logger,
    ) -> None:
        self.troubles: tuple[str, ...] = ()
        self.is_deciding = False
        self.counted: Callable[[Step, str], None] = lambda _step, _outcome: None
        self._map = cluster_map
        self._coordinator = coordinator
        self._clock = clock
        self._policy = policy
        self._carry_out = carry_out
        self._log = log
        self._name = cluster_map.prefix + b"placement"
        self._under_way: dict[RegionId, _UnderWay] = {}
        self._failed: dict[RegionId, str] = {}
        self._ids = range(0)
        self._said = ""

    async def run(self, content: bytes = b"") -> None:
        """Stand for election and decide while elected, until cancelled.

        Args:
            content: Who we are, for those who look at the election.
        """
        while True:
            try:
                async with (
                    Session(self._coordinator, self._clock) as session,
                    Election(session, self._name).lead(content),
                ):
                    self._log.info("placement is decided here")
                    self._said = ""
                    await self._decide()
            except Fault as fault:
                self._say(f"placement is not decided here: {fault}")
            await self._clock.sleep(RETRY_S)

    async def _decide(self) -> None:
        """Plan and carry out, for as long as we lead."""
        self.is_deciding = True
        try:
            await self._map.ready()
            await self._clock.sleep(LISTEN_S)
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._round(group)
                    await self._clock.sleep(PLAN_S)
        finally:
            self.is_deciding = False
            self._under_way, self._failed, self._ids, self.troubles = {}, {}, range(0), ()

    async def _round(self, group: asyncio.TaskGroup) -> None:
        """Plan once, and have the steps carried out."""
        most = self._policy.steps_max * (PEERS_MAX + 1)
        if len(self._ids) < most:
            try:
                first = await self._map.reserve_ids(IDS + most)
            except Fault as fault:
                self._say(f"placement waits for ids: {fault}")
                return
            self._ids = range(first, first + IDS + most)
        for region in [region for region, each in self._under_way.items() if self._has_shown(each)]:
            del self._under_way[region]
        under_way = [each.step for each in self._under_way.values()]
        observed = observe(self._map, self._ids.start, under_way)
        planned = await self._planned(observed)
        self._ids = self._ids[planned.next_id - self._ids.start :]
        self._tell(tuple(planned.troubles))
        for step in planned.steps:
            self._begin(group, step)

    async def _planned(self, observed: Observed) -> Plan:
        """The plan; of many regions it is made beside the loop, which serves callers meanwhile."""
        if len(observed.regions) < ASIDE_REGIONS:
            return plan(observed, self._policy)
        return await asyncio.to_thread(plan, observed, self._policy)

    @property
    def under_way_count(self) -> int:
        """Steps that are carried out, or do not show yet."""
        return len(self._under_way)

    def _begin(self, group: asyncio.TaskGroup, step: Step) -> None:
        region = region_of(step)
        under_way = self._under_way[region] = _UnderWay(step)
        group.create_task(self._carry(under_way), name=f"placement of region {region}")

    async def _carry(self, under_way: _UnderWay) -> None:
        """Have a step carried out; what fails is planned anew."""
        step = under_way.step
        region = region_of(step)
        try:
            await self._do(step)
        except Fault as fault:
            self.counted(step, "failed")
            self._under_way.pop(region, None)
            if self._failed.get(region) != str(fault):
                self._failed[region] = str(fault)
                self._log.warning("not placed: %s", fault, extra={"region": region, "step": show(step)})
        else:
            self.counted(step, "done")
            self._failed.pop(region, None)
            under_way.done_at_ms = self._clock.monotonic_ms()
            self._log.info("placed", extra={"region": region, "step": show(step)})

    async def _do(self, step: Step) -> None:
        limit_s = _limit_s(step)
        try:
            async with asyncio.timeout(limit_s):
                await self._carry_out(step)
        except TimeoutError as error:
            raise DeadlineExceededError(
                f"a step of placement took more than {limit_s:g} s", reason="STEP_SLOW"
            ) from error

    def _has_shown(self, under_way: _UnderWay) -> bool:
        """Whether a step is done and the map has it, or should have."""
        if under_way.done_at_ms is None:
            return False
        region = region_of(under_way.step)
        now = next((each for each in self._map.reported if each.region.region == region), None)
        is_late = self._clock.monotonic_ms() - under_way.done_at_ms >= SHOWN_S * 1000
        return now is None or is_late or shows(under_way.step, now)

    def _tell(self, troubles: tuple[str, ...]) -> None:
        """Log what is new among the troubles."""
        for each in troubles:
            if each not in self.troubles:
                self._log.warning("placement cannot help: %s", each)
        self.troubles = troubles

    def _say(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            self._log.warning("%s", sentence)


@dataclass(slots=True)
class _UnderWay:
    """A step that is carried out, or was and does not show yet."""

    step: Step
    done_at_ms: int | None = None


def observe(cluster_map: ClusterMap, next_id: int = 0, under_way: Sequence[Step] = ()) -> Observed:
    """What placement looks at, as the map has it now."""
    stores = tuple(entry.seen for _, entry in sorted(cluster_map.stores.items()))
    return Observed(stores, cluster_map.reported, cluster_map.now_ms, next_id, tuple(under_way))


def region_of(step: Step) -> RegionId:
    """The region whose leader does a step."""
    return step.left if isinstance(step, MergeRegions) else step.region


def show(step: Step) -> str:
    """A step in a few words."""
    match step:
        case SplitRegion():
            what = f"split into {step.right}"
        case ChangeReplicas():
            joins = f" on store {step.joining.store}" if step.joining else ""
            leaves = f" not on store {step.leaving.store}" if step.leaving else ""
            what = f"replica{joins}{leaves}"
        case TransferLead():
            what = f"lead from store {step.to.store}"
        case MergeRegions():
            what = f"merge with {step.right}"
        case _:
            assert_never(step)
    return f"{what}: {step.why}"


def _limit_s(step: Step) -> float:
    match step:
        case TransferLead():
            return LEAD_S
        case SplitRegion() | MergeRegions():
            return SPLIT_S
        case ChangeReplicas():
            return CHANGE_S
        case _:
            assert_never(step)
