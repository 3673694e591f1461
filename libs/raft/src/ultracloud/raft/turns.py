"""The parts a node can play, and how it is told to take another.

Source: the Raft paper, figure 4; the dissertation, 9.6, for the pre-candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from ultracloud.raft.words import NodeId


class Role(Enum):
    """What part a node plays. A learner is a follower that is no voter of its configuration."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Follow:
    """Follow `leader`, or wait for one if it is NOBODY, in `term`."""

    term: int
    leader: NodeId


@dataclass(frozen=True, slots=True)
class Stand:
    """Stand for election, or only ask whether it could be won; `is_transfer` if the leader wants it."""

    is_pre: bool
    is_transfer: bool = False


@dataclass(frozen=True, slots=True)
class Lead:
    """The election is won."""


Turn: TypeAlias = Follow | Stand | Lead | None
"""The part to take next; None to go on."""
