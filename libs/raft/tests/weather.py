"""How bad a run is: each has a theme, so that troubles which are rare together meet, and a strength of each trouble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from ultracloud.raft.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Rates are chances in one tick, for one message or for one sync."""

    voters: tuple[int, ...] = (3,)
    delay_ticks: float = 0.3
    drop: float = 0.0
    double: float = 0.0
    slow_message: float = 0.0
    slow_disk: float = 0.0
    crash: float = 0.0
    crash_after_sync: float = 0.0
    partition: float = 0.0
    partition_at_turn: float = 0.0
    partition_ticks: float = 60.0
    stall: float = 0.0
    snapshot: float = 0.0
    change: float = 0.0
    transfer: float = 0.0
    campaign: float = 0.0
    gone: float = 0.0
    propose: float = 0.5
    read: float = 0.3
    keeps_unsynced_commit: bool = False


Theme = Callable[[Random], tuple[Options, Weather]]


def forecast(random: Random, theme: Theme | None = None) -> tuple[Options, Weather]:
    """Draw options and weather of `theme`, or of any theme."""
    if theme is None:
        theme = random.choice(THEMES)
    options, weather = theme(random)
    weather = replace(weather, keeps_unsynced_commit=random.random() < 0.5)
    # Lease reads trust clocks: a node that stalls while time passes breaks what they stand on.
    return options, replace(weather, stall=0.0) if options.lease_reads else weather


def everything(random: Random) -> tuple[Options, Weather]:
    """Any mixture."""

    def rate(most: float) -> float:
        return random.choice((0.0, 0.0, most / 20, most / 5, most))

    weather = Weather(
        voters=(1, 2, 3, 3, 3, 3, 4, 5, 5),
        drop=rate(0.15),
        double=rate(0.3),
        slow_message=rate(0.1),
        slow_disk=rate(0.2),
        crash=rate(0.06),
        crash_after_sync=rate(0.02),
        partition=rate(0.06),
        partition_at_turn=rate(0.7),
        stall=rate(0.05),
        snapshot=rate(0.3),
        change=rate(0.3),
        transfer=rate(0.08),
        campaign=rate(0.04),
        gone=rate(0.05),
        propose=random.choice((0.2, 0.5, 0.9)),
        read=random.choice((0.1, 0.5, 0.9)),
    )
    return any_options(random), weather


def any_options(random: Random) -> Options:
    """Some options, often the default ones; small messages and windows, so that their bounds are met."""
    check_quorum = random.random() < 0.7
    return Options(
        election_ticks=random.choice((4, 6, 10)),
        heartbeat_ticks=random.choice((1, 1, 2)),
        append_bytes_max=random.choice((1, 1024)),
        inflight_max=random.choice((1, 2, 256)),
        inflight_bytes_max=random.choice((2048, 1 << 20)),
        compact_keep=random.choice((0, 0, 3, 10)),
        pre_vote=random.random() < 0.7,
        check_quorum=check_quorum,
        lease_reads=check_quorum and random.random() < 0.3,
    )


def elections(random: Random) -> tuple[Options, Weather]:
    """Many candidates at once, which crash around their votes."""
    options = Options(election_ticks=4, pre_vote=random.random() < 0.2, check_quorum=False)
    return options, Weather(
        voters=(3, 4, 5),
        crash=0.15,
        crash_after_sync=0.2,
        slow_disk=random.choice((0.0, 0.5)),
        slow_message=0.1,
        campaign=0.6,
        propose=0.1,
        read=0.1,
    )


def figure_8(random: Random) -> tuple[Options, Weather]:
    """Leaders that are cut off with a few others before they have replicated all they have."""
    options = Options(election_ticks=3, append_bytes_max=1, inflight_max=1, pre_vote=False, check_quorum=False)
    return options, Weather(
        voters=(5,), delay_ticks=1.0, partition=0.2, partition_at_turn=0.6, partition_ticks=12, crash=0.03, propose=0.3
    )


def isolation(random: Random) -> tuple[Options, Weather]:
    """A leader that was deposed and does not know it."""
    options = Options(
        election_ticks=4,
        append_bytes_max=random.choice((1, 1024)),
        pre_vote=False,
        check_quorum=False,
        lease_reads=False,
    )
    return options, Weather(
        voters=(3, 5),
        partition=0.08,
        partition_at_turn=0.3,
        partition_ticks=25,
        slow_message=0.1,
        propose=0.5,
        read=0.9,
    )


def leases(random: Random) -> tuple[Options, Weather]:
    """Leaders that trust their leases, cut off for a little longer than an election takes."""
    options = Options(election_ticks=5, heartbeat_ticks=random.choice((1, 2)), lease_reads=True, pre_vote=False)
    return options, Weather(
        voters=(3, 5, 5), partition=0.1, partition_at_turn=0.2, partition_ticks=16, propose=0.8, read=0.95
    )


def handover(random: Random) -> tuple[Options, Weather]:
    """Leaders that trust their leases, and hand over while messages overtake each other."""
    options = Options(
        election_ticks=12,
        heartbeat_ticks=random.choice((1, 6)),
        lease_reads=True,
        lease_margin_ticks=1,
        pre_vote=random.random() < 0.5,
    )
    return options, Weather(
        voters=(3, 5), slow_message=0.3, transfer=0.3, partition=0.03, crash=0.03, propose=0.5, read=0.95
    )


def members(random: Random) -> tuple[Options, Weather]:
    """Changes of who takes part, and a cut in the middle of them."""
    return any_options(random), Weather(
        voters=(1, 2, 3, 3, 4),
        change=0.3,
        partition_at_turn=0.4,
        partition_ticks=40,
        crash=random.choice((0.0, 0.04)),
        crash_after_sync=random.choice((0.0, 0.03)),
        snapshot=random.choice((0.0, 0.1)),
        propose=0.2,
    )


def overtaking(random: Random) -> tuple[Options, Weather]:
    """Messages that come late, twice, or after another life has begun."""
    return any_options(random), Weather(
        voters=(2, 3),
        slow_message=0.3,
        double=0.3,
        crash_after_sync=random.choice((0.02, 0.1)),
        snapshot=random.choice((0.0, 0.3)),
        propose=0.8,
        read=0.9,
    )


def disks(random: Random) -> tuple[Options, Weather]:
    """Disks that take longer than everything else, and power cuts."""
    return any_options(random), Weather(
        voters=(1, 2, 3, 5), slow_disk=0.5, crash=0.08, stall=0.02, campaign=0.05, propose=0.8
    )


def catching_up(random: Random) -> tuple[Options, Weather]:
    """Followers that are cut off for a moment and find the log compacted: snapshots cross with entries."""
    options = Options(election_ticks=10, inflight_max=random.choice((2, 256)))
    return options, Weather(
        voters=(3,), snapshot=1.0, partition=0.2, partition_ticks=6, crash=0.05, slow_disk=0.2, propose=0.9, read=0.1
    )


THEMES: tuple[Theme, ...] = (
    everything,
    everything,
    elections,
    figure_8,
    isolation,
    leases,
    handover,
    members,
    overtaking,
    disks,
    catching_up,
)
"""Any mixture is drawn twice as often."""
