from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ultracloud.raft import quorum
from ultracloud.raft.words import Config, NodeId

SETS = st.frozensets(st.integers(1, 7).map(NodeId), max_size=7)
CONFIGS = st.builds(Config, SETS.filter(bool), SETS)


def decides(voters: frozenset[NodeId], nodes: set[NodeId]) -> bool:
    """Whether more than half of `voters` are among `nodes`; an empty set has no say."""
    return not voters or 2 * len(voters & nodes) > len(voters)


@given(CONFIGS, st.lists(st.integers(0, 9), min_size=8, max_size=8))
def test_agreed_is_the_highest_number_that_a_quorum_reached(config: Config, numbers: list[int]) -> None:
    def is_reached(number: int) -> bool:
        nodes = {NodeId(node) for node, reached in enumerate(numbers) if reached >= number}
        return decides(config.voters, nodes) and decides(config.outgoing, nodes)

    assert quorum.agreed(config, numbers.__getitem__) == max(filter(is_reached, range(10)))


@given(CONFIGS, st.dictionaries(st.integers(1, 7).map(NodeId), st.booleans()))
def test_votes_win_when_a_quorum_says_yes_and_lose_when_none_can(config: Config, votes: dict[NodeId, bool]) -> None:
    yes = {node for node, granted in votes.items() if granted}
    possible = yes | {NodeId(node) for node in range(1, 8) if node not in votes}
    won = decides(config.voters, yes) and decides(config.outgoing, yes)
    lost = not (decides(config.voters, possible) and decides(config.outgoing, possible))
    assert quorum.tally(config, votes) is (True if won else False if lost else None)


def test_nobody_decides_where_nobody_votes() -> None:
    assert quorum.agreed(Config(), lambda _: 7) == 0
    assert not quorum.is_quorum(Config(), [NodeId(1)])
