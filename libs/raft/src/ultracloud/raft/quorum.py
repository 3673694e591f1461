"""What a majority has, says, or holds; in a joint configuration, what both majorities do.

Source: the Raft paper, section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ultracloud.raft.words import Config, NodeId


def agreed(config: Config, reached: Callable[[NodeId], int]) -> int:
    """The highest number that a quorum has reached: an index that is stored, a round that is answered."""
    incoming = _agreed(config.voters, reached)
    return min(incoming, _agreed(config.outgoing, reached)) if config.outgoing else incoming


def is_quorum(config: Config, nodes: Collection[NodeId]) -> bool:
    """Whether these nodes decide."""
    return tally(config, dict.fromkeys(nodes, True)) is True


def tally(config: Config, votes: Mapping[NodeId, bool]) -> bool | None:
    """True once the votes win, False once they cannot any more, None until then."""
    incoming = _tally(config.voters, votes)
    if not config.outgoing:
        return incoming
    outgoing = _tally(config.outgoing, votes)
    if incoming is False or outgoing is False:
        return False
    return True if incoming and outgoing else None


def _agreed(voters: frozenset[NodeId], reached: Callable[[NodeId], int]) -> int:
    """What a majority of one set has reached; 0 if it is empty, for then nobody decides."""
    if not voters:
        return 0
    return sorted(map(reached, voters))[(len(voters) - 1) // 2]


def _tally(voters: frozenset[NodeId], votes: Mapping[NodeId, bool]) -> bool | None:
    """How one set's vote stands."""
    needed = len(voters) // 2 + 1
    granted = sum(1 for node in voters if votes.get(node))
    if granted >= needed:
        return True
    unheard = sum(1 for node in voters if node not in votes)
    return None if granted + unheard >= needed else False
