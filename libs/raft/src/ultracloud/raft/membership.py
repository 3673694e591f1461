"""How configurations follow from each other, and which one held at which index.

One change goes at once: any majority of the old voters and any of the new ones share a node. Several go through a joint
configuration, in which a majority of each decides.

Source: the dissertation, sections 4.1 and 4.3; the Raft paper, section 6.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from ultracloud.raft.events import ChangeKind, NodeChange
from ultracloud.raft.words import NOBODY, Config, NodeId


class InvalidChangeError(ValueError):
    """The configuration cannot be changed so."""


def members(config: Config) -> frozenset[NodeId]:
    """All that are sent the log."""
    return config.voters | config.outgoing | config.learners


def deciders(config: Config) -> frozenset[NodeId]:
    """All whose votes are asked for."""
    return config.voters | config.outgoing


def changed(config: Config, changes: Sequence[NodeChange]) -> Config:
    """The configuration after a CONFIG entry with these changes.

    Raises:
        InvalidChangeError: Nobody would be left to vote; a node is named twice or is nobody; a joint configuration is
            left that was not entered, or entered twice.
    """
    if not changes:
        return _left(config)
    if config.outgoing:
        raise InvalidChangeError("the joint configuration must be left first")
    if NOBODY in (nodes := {change.node for change in changes}) or len(nodes) != len(changes):
        raise InvalidChangeError("each change must name another node, and none of them nobody")
    after = config
    for change in changes:
        after = _with(after, change)
    if not after.voters:
        raise InvalidChangeError("no voter would be left")
    return after if len(changes) == 1 else _joint(config, after)


def _with(config: Config, change: NodeChange) -> Config:
    """One change, as if it stood alone."""
    one = frozenset({change.node})
    match change.kind:
        case ChangeKind.ADD_VOTER:
            return Config(config.voters | one, learners=config.learners - one)
        case ChangeKind.ADD_LEARNER:
            return Config(config.voters - one, learners=config.learners | one)
        case ChangeKind.REMOVE:
            return Config(config.voters - one, learners=config.learners - one)


def _joint(before: Config, after: Config) -> Config:
    """Between the two: a voter that becomes a learner still votes among the outgoing, so it is a learner only later."""
    demoted = after.learners & before.voters
    return Config(after.voters, before.voters, after.learners - demoted, demoted, auto_leave=True)


def _left(config: Config) -> Config:
    """After the joint configuration."""
    if not config.outgoing:
        raise InvalidChangeError("there is no joint configuration to leave")
    return Config(config.voters, learners=config.learners | config.learners_next)


class History:
    """The configurations since a snapshot: one is asked for when the next snapshot is marked."""

    def __init__(self, index: int, config: Config) -> None:
        self._indexes = [index]
        self._configs = [config]

    @property
    def config(self) -> Config:
        """The one that holds."""
        return self._configs[-1]

    def switch(self, index: int, config: Config) -> None:
        """The entry at `index` made `config` hold."""
        assert index > self._indexes[-1], "configurations follow the log"
        self._indexes.append(index)
        self._configs.append(config)

    def at(self, index: int) -> Config:
        """The one that held once `index` was applied."""
        assert index >= self._indexes[0], "that configuration is forgotten"
        return self._configs[bisect_right(self._indexes, index) - 1]

    def forget(self, index: int) -> None:
        """Nothing before `index` will be asked for."""
        place = bisect_right(self._indexes, index) - 1
        del self._indexes[:place], self._configs[:place]
