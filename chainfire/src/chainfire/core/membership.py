"""Who the members are: their names, where they are found, and who only learns.

Which of them vote is the log's business (`ultracloud.raft`); this table is what people and clients are shown, and what
messages are addressed by. It changes only by commands of the log, so it is the same on every member.

Source: etcd 3.5 semantics of the Cluster RPCs; ids are made as etcd makes them, so that members started from the same
list agree without having spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha1

from chainfire.errors import (
    LearnerNotReadyError,
    MemberExistsError,
    MemberNotFoundError,
    MemberNotLearnerError,
    NotEnoughStartedMembersError,
    PeerUrlExistsError,
    TooManyLearnersError,
)

LEARNERS_MAX = 1
"""etcd's: each costs the leader as much as a follower and protects nothing."""
ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Member:
    """One member.

    Attributes:
        name: Empty until it has started for the first time.
        peer_urls: Where other members find it.
        client_urls: Where clients find it; empty until it has started.
        is_learner: It receives the log and has no vote.
    """

    member_id: int
    name: str = ""
    peer_urls: tuple[str, ...] = ()
    client_urls: tuple[str, ...] = ()
    is_learner: bool = False


def member_id(peer_urls: Iterable[str], token: str, added_s: int = 0) -> int:
    """The id of a member: of a new cluster without `added_s`, of a running one with the second it was added."""
    text = "".join(sorted(peer_urls)) + token + (str(added_s) if added_s else "")
    return _id_of(text.encode())


def cluster_id(member_ids: Iterable[int]) -> int:
    """The id of a new cluster of these members."""
    return _id_of(b"".join(each.to_bytes(ID_BYTES, "big") for each in sorted(member_ids)))


def first_members(urls: Mapping[str, Iterable[str]], token: str) -> tuple[Member, ...]:
    """The members of a new cluster, by name and peer URLs; the same on each of them."""
    return tuple(Member(member_id(peers, token), name, tuple(sorted(peers))) for name, peers in sorted(urls.items()))


class Membership:
    """All members there are, and the ids of those there were.

    Attributes:
        version: Rises with every change.
    """

    def __init__(self, members: Iterable[Member] = (), removed: Iterable[int] = ()) -> None:
        self._members = {member.member_id: member for member in members}
        self.removed = set(removed)
        self.version = 0

    def all(self) -> tuple[Member, ...]:
        """Every member, by id."""
        return tuple(self._members[each] for each in sorted(self._members))

    def find(self, member: int) -> Member | None:
        """The member, if it is one."""
        return self._members.get(member)

    def check_add(self, added: Member, started: int, *, strict: bool) -> None:
        """Refuse to add a member that is there, or that would endanger the quorum.

        Args:
            added: Whom.
            started: How many voters answer.
            strict: Refuse a voter while fewer voters answer than the larger cluster needs.

        Raises:
            MemberExistsError: Its id is taken, or was.
            PeerUrlExistsError: One of its URLs is somebody else's.
            TooManyLearnersError: There is one already.
            NotEnoughStartedMembersError: Too few answer.
        """
        if added.member_id in self._members or added.member_id in self.removed:
            raise MemberExistsError
        self._check_urls(added)
        if added.is_learner and sum(m.is_learner for m in self._members.values()) >= LEARNERS_MAX:
            raise TooManyLearnersError
        # A cluster of one grows by a step that needs both: nobody else could be there before it.
        is_first = self._voters() == 1 and started == 1
        if strict and not added.is_learner and not is_first and started < (self._voters() + 1) // 2 + 1:
            raise NotEnoughStartedMembersError

    def check_remove(self, member: int, answering: Iterable[int], *, strict: bool) -> None:
        """Refuse to remove whom there is not, or who is needed.

        Args:
            member: Whom.
            answering: Ids of the voters that answer.
            strict: Refuse a removal that leaves fewer voters answering than the rest needs.

        Raises:
            MemberNotFoundError: There is no such member.
            NotEnoughStartedMembersError: The rest would have no quorum.
        """
        found = self._require(member)
        left = self._voters() - (not found.is_learner)
        if found.is_learner:
            return
        if strict and len(set(answering) - {member}) < left // 2 + 1:
            raise NotEnoughStartedMembersError

    def check_promote(self, member: int, *, is_in_sync: bool) -> None:
        """Refuse to promote whom there is not, who votes already, or who lags.

        Raises:
            MemberNotFoundError: There is no such member.
            MemberNotLearnerError: It votes already.
            LearnerNotReadyError: It has not received nearly all of the log.
        """
        if not self._require(member).is_learner:
            raise MemberNotLearnerError
        if not is_in_sync:
            raise LearnerNotReadyError

    def check_update(self, member: int, peer_urls: tuple[str, ...]) -> None:
        """Refuse to move a member that is not there, or onto somebody else's URL.

        Raises:
            MemberNotFoundError: There is no such member.
            PeerUrlExistsError: One of the URLs is somebody else's.
        """
        self._check_urls(replace(self._require(member), peer_urls=peer_urls))

    def add(self, added: Member) -> None:
        """Add a member, or change all of one."""
        self._members[added.member_id] = added
        self.version += 1

    def remove(self, member: int) -> None:
        """Remove a member for ever: its id is never used again."""
        self._members.pop(member, None)
        self.removed.add(member)
        self.version += 1

    def promote(self, member: int) -> None:
        """Let a learner vote."""
        self._change(member, lambda found: replace(found, is_learner=False))

    def update(self, member: int, peer_urls: tuple[str, ...]) -> None:
        """Note where a member is found by the others."""
        self._change(member, lambda found: replace(found, peer_urls=peer_urls))

    def publish(self, member: int, name: str, client_urls: tuple[str, ...]) -> None:
        """Note what a started member is called, and where clients find it."""
        self._change(member, lambda found: replace(found, name=name, client_urls=client_urls))

    def _change(self, member: int, changed: Callable[[Member], Member]) -> None:
        found = self._members.get(member)
        if found is not None:
            self._members[member] = changed(found)
            self.version += 1

    def _require(self, member: int) -> Member:
        found = self._members.get(member)
        if found is None:
            raise MemberNotFoundError
        return found

    def _check_urls(self, wanted: Member) -> None:
        others = (m for m in self._members.values() if m.member_id != wanted.member_id)
        if any(url in other.peer_urls for other in others for url in wanted.peer_urls):
            raise PeerUrlExistsError

    def _voters(self) -> int:
        return sum(not member.is_learner for member in self._members.values())


def _id_of(text: bytes) -> int:
    """The first eight bytes of a digest. No secret depends on it: it only must not collide by chance."""
    return int.from_bytes(sha1(text, usedforsecurity=False).digest()[:ID_BYTES], "big")
