from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ultracloud.raft import membership, quorum
from ultracloud.raft.events import ChangeKind, NodeChange
from ultracloud.raft.membership import History, InvalidChangeError
from ultracloud.raft.words import Config, NodeId

NODES = st.integers(1, 6).map(NodeId)
CHANGES = st.lists(
    st.builds(NodeChange, st.sampled_from(ChangeKind), NODES), min_size=1, max_size=5, unique_by=lambda c: c.node
)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """A configuration outside of a change."""
    voters = draw(st.frozensets(NODES, min_size=1))
    return Config(voters, learners=draw(st.frozensets(NODES)) - voters)


def quorums(config: Config) -> Iterator[set[NodeId]]:
    """All sets of nodes that decide."""
    nodes = sorted(membership.deciders(config))
    subsets = chain.from_iterable(combinations(nodes, size) for size in range(1, len(nodes) + 1))
    return (set(subset) for subset in subsets if quorum.is_quorum(config, subset))


@given(configs(), CHANGES)
def test_any_two_quorums_of_neighbouring_configurations_share_a_node(config: Config, changes: list[NodeChange]) -> None:
    try:
        after = membership.changed(config, changes)
    except InvalidChangeError:
        assume(False)
    pairs = [(config, after)]
    if after.outgoing:
        pairs.append((after, membership.changed(after, ())))
    for first, second in pairs:
        assert all(one & other for one in quorums(first) for other in quorums(second))


@given(configs(), CHANGES)
def test_a_node_has_one_part_and_changes_come_true(config: Config, changes: list[NodeChange]) -> None:
    try:
        after = membership.changed(config, changes)
    except InvalidChangeError:
        assume(False)
    final = membership.changed(after, ()) if after.outgoing else after
    for kind, node in changes:
        assert (node in final.voters) == (kind is ChangeKind.ADD_VOTER)
        assert (node in final.learners) == (kind is ChangeKind.ADD_LEARNER)
    for step in (after, final):
        assert not step.learners & membership.deciders(step)
        assert step.learners_next <= step.outgoing


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (Config(frozenset({NodeId(1)})), [NodeChange(ChangeKind.REMOVE, NodeId(1))]),
        (Config(frozenset({NodeId(1)})), [NodeChange(ChangeKind.ADD_LEARNER, NodeId(1))]),
        (Config(frozenset({NodeId(1)})), [NodeChange(ChangeKind.ADD_VOTER, NodeId(0))]),
        (Config(frozenset({NodeId(1)})), [NodeChange(ChangeKind.ADD_VOTER, NodeId(2))] * 2),
        (Config(frozenset({NodeId(1)})), []),
        (Config(frozenset({NodeId(1)}), frozenset({NodeId(2)})), [NodeChange(ChangeKind.ADD_VOTER, NodeId(3))]),
    ],
)
def test_a_change_that_cannot_be_is_refused(config: Config, changes: list[NodeChange]) -> None:
    with pytest.raises(InvalidChangeError):
        membership.changed(config, changes)


def test_history_knows_who_took_part_when() -> None:
    first, second, third = (Config(frozenset({NodeId(node)})) for node in (1, 2, 3))
    history = History(5, first)
    history.switch(8, second)
    history.switch(9, third)
    assert [history.at(index) for index in (5, 7, 8, 9, 100)] == [first, first, second, third, third]
    history.forget(8)
    assert history.at(8) == second
    with pytest.raises(AssertionError):
        history.at(7)
