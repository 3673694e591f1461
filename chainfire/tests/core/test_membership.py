import pytest

from chainfire.core import calls, jointoken
from chainfire.core.calls import Roster
from chainfire.core.membership import Member, Membership, cluster_id, first_members, member_id
from chainfire.errors import (
    LearnerNotReadyError,
    MemberExistsError,
    MemberNotFoundError,
    MemberNotLearnerError,
    NotEnoughStartedMembersError,
    PeerUrlExistsError,
    TooManyLearnersError,
)

A, B, C = (Member(number, f"n{number}", (f"http://{number}:2380",)) for number in (1, 2, 3))
NEW = Member(4, peer_urls=("http://4:2380",))
LEARNER = Member(5, peer_urls=("http://5:2380",), is_learner=True)


def test_ids_are_those_that_etcd_makes() -> None:
    # Seen in the log of etcd 3.5.16, started with --initial-cluster chainfire=http://localhost:2380 and its own token.
    assert f"{member_id(['http://localhost:2380'], 'etcd-cluster'):x}" == "8e9e05c52164694d"
    assert f"{cluster_id([0x8E9E05C52164694D]):x}" == "cdf818194e3a8c32"


def test_members_of_one_list_agree_whatever_its_order() -> None:
    one = first_members({"a": ("http://a:1", "http://a:2"), "b": ("http://b:1",)}, "t")
    other = first_members({"b": ("http://b:1",), "a": ("http://a:2", "http://a:1")}, "t")
    assert one == other
    assert one != first_members({"a": ("http://a:1", "http://a:2"), "b": ("http://b:1",)}, "other")


def test_a_member_is_not_added_twice_nor_after_it_was_removed() -> None:
    members = Membership([A, B, C], removed=[4])
    for added in (A, NEW):
        with pytest.raises(MemberExistsError):
            members.check_add(added, 3, strict=True)


def test_a_peer_url_belongs_to_one_member() -> None:
    members = Membership([A, B])
    with pytest.raises(PeerUrlExistsError):
        members.check_add(Member(9, peer_urls=B.peer_urls), 2, strict=True)
    with pytest.raises(PeerUrlExistsError):
        members.check_update(1, B.peer_urls)
    members.check_update(1, A.peer_urls)


@pytest.mark.parametrize(("there", "started", "is_refused"), [(1, 1, False), (2, 1, True), (3, 2, True), (3, 3, False)])
def test_a_voter_is_added_only_while_the_larger_cluster_has_a_quorum(
    there: int, started: int, *, is_refused: bool
) -> None:
    members = Membership([A, B, C][:there])
    if not is_refused:
        members.check_add(NEW, started, strict=True)
        return
    with pytest.raises(NotEnoughStartedMembersError):
        members.check_add(NEW, started, strict=True)
    members.check_add(NEW, started, strict=False)


def test_a_removal_leaves_a_quorum_that_answers() -> None:
    members = Membership([A, B, C, LEARNER])
    members.check_remove(1, [1, 2, 3], strict=True)
    members.check_remove(3, [1, 2], strict=True)
    members.check_remove(5, [1], strict=True)
    with pytest.raises(NotEnoughStartedMembersError):
        members.check_remove(1, [1, 2], strict=True)
    with pytest.raises(MemberNotFoundError):
        members.check_remove(99, [1, 2, 3], strict=True)


def test_a_learner_is_promoted_once_it_is_in_sync() -> None:
    members = Membership([A, LEARNER])
    with pytest.raises(LearnerNotReadyError):
        members.check_promote(5, is_in_sync=False)
    members.check_promote(5, is_in_sync=True)
    members.promote(5)
    with pytest.raises(MemberNotLearnerError):
        members.check_promote(5, is_in_sync=True)
    with pytest.raises(MemberNotFoundError):
        members.check_promote(99, is_in_sync=True)


def test_there_is_one_learner_at_a_time() -> None:
    with pytest.raises(TooManyLearnersError):
        Membership([A, LEARNER]).check_add(Member(6, peer_urls=("http://6:1",), is_learner=True), 1, strict=True)


def test_every_change_is_noticed() -> None:
    members = Membership([A, LEARNER])
    seen = [members.version]
    for change in (
        lambda: members.add(NEW),
        lambda: members.promote(5),
        lambda: members.update(1, ("http://x:1",)),
        lambda: members.publish(4, "n4", ("http://y:1",)),
        lambda: members.remove(1),
    ):
        change()
        assert members.version not in seen
        seen.append(members.version)
    assert [(each.member_id, each.name, each.is_learner) for each in members.all()] == [
        (4, "n4", False),
        (5, "", False),
    ]


def test_a_join_token_says_who_joins_what() -> None:
    roster = Roster(0xABC, (A, B, LEARNER))
    token = jointoken.render(roster, LEARNER.member_id)
    assert jointoken.parse(f"{token}\n") == (roster, 5)
    for damaged in (token[:-4], "http://a:1", token.replace("1.", "2.", 1), jointoken.PREFIX, jointoken.PREFIX + "e30"):
        with pytest.raises(jointoken.MalformedTokenError):
            jointoken.parse(damaged)


def test_a_roster_is_read_as_it_was_told_and_nothing_else_is() -> None:
    roster = Roster(7, (A, LEARNER))
    told = calls.render_roster(roster)
    assert calls.parse_roster(told) == roster
    for cut in range(len(told)):
        with pytest.raises(calls.MalformedCallError):
            calls.parse_roster(told[:cut])
