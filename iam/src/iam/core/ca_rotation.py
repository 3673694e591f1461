"""Replacing the cluster's root: when the next one may sign, and when the old one may go.

Two rules, and nothing else, keep everybody able to talk to everybody. Nothing is signed by a root before every holder
of a live certificate has said that it trusts it; no root is dropped while a live certificate of it exists. Holders say
so themselves, so a host that is away delays the rotation until it is back or its certificate has ended. After the last
word there is a pause, because a process takes a moment to use what it has written.

Source: RFC 4210 section 4.4 (root CA key update), with acknowledgements instead of cross-certificates.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError

SHOWN_MAX = 20
"""Holders that a status names; the rest is a number."""


class Phase(enum.Enum):
    """Where a rotation is."""

    STEADY = "steady"
    DISTRIBUTING = "distributing"
    RENEWING = "renewing"


@dataclass(frozen=True, slots=True)
class Root:
    """One root.

    Attributes:
        id: SHA-256 of the certificate, in hexadecimal.
        unaccounted_until_ms: Until when certificates of it may live that nobody has told of; 0 for none.
    """

    id: str
    not_after_ms: int
    unaccounted_until_ms: int = 0


@dataclass(frozen=True, slots=True)
class Authority:
    """All of it, without keys.

    Attributes:
        roots: Oldest first; one or two.
        signing: Id of the one that signs.
        trust_version: Rises whenever the roots change.
        since_ms: When the phase began.
    """

    roots: tuple[Root, ...]
    signing: str
    trust_version: int
    since_ms: int

    @property
    def phase(self) -> Phase:
        """One root is steady; of two, the older signs while the newer is handed out."""
        if len(self.roots) == 1:
            return Phase.STEADY
        return Phase.DISTRIBUTING if self.signing == self.roots[0].id else Phase.RENEWING

    @property
    def newest(self) -> Root:
        """The root that signs, or will."""
        return self.roots[-1]


@dataclass(frozen=True, slots=True)
class Certificate:
    """One that was issued.

    Attributes:
        trust_version: Of the roots that its holder said it trusts; 0 before it has said anything.
        acknowledged_at_ms: When it said so.
        replaces: Serial of the one that goes when this one comes into use; empty for none.
    """

    serial: str
    identity: str
    root: str
    not_after_ms: int
    trust_version: int = 0
    acknowledged_at_ms: int = 0
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """From now on the newest root signs."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The oldest root is trusted no more."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may happen yet.

    Attributes:
        certificates: Those that are waited for.
        until_ms: When something changes by itself at the latest; None if it takes a holder's or an operator's word.
        unaccounted_until_ms: Until when there may be certificates that nobody knows; 0 if none.
    """

    certificates: tuple[Certificate, ...] = ()
    until_ms: int | None = None
    unaccounted_until_ms: int = 0


Step: TypeAlias = Sign | Drop | Wait


def plan(authority: Authority, certificates: Sequence[Certificate], now_ms: int, settle_ms: int) -> Step:
    """The next step of a rotation.

    Args:
        authority: As stored.
        certificates: All that are kept, of any root.
        now_ms: iam's clock.
        settle_ms: Pause after the last word.
    """
    live = [one for one in certificates if one.not_after_ms > now_ms]
    match authority.phase:
        case Phase.STEADY:
            return Wait()
        case Phase.DISTRIBUTING:
            missing = [one for one in live if one.trust_version < authority.trust_version]
            unknown_ms = max(root.unaccounted_until_ms for root in authority.roots)
            done: Step = Sign()
        case Phase.RENEWING:
            missing = [one for one in live if one.root != authority.signing]
            unknown_ms = max(root.unaccounted_until_ms for root in authority.roots[:-1])
            done = Drop()
    ends = [one.not_after_ms for one in missing]
    if unknown_ms > now_ms:
        return Wait(tuple(missing), max([unknown_ms, *ends]), unknown_ms)
    if missing:
        return Wait(tuple(missing), max(ends))
    settled_ms = max([authority.since_ms, *(one.acknowledged_at_ms for one in live)]) + settle_ms
    return done if settled_ms <= now_ms else Wait(until_ms=settled_ms)


def begun(authority: Authority, root: Root, now_ms: int) -> Authority:
    """With a new root beside the old one, which goes on signing.

    Raises:
        FailedPreconditionError: A rotation is under way.
    """
    if authority.phase is not Phase.STEADY:
        raise FailedPreconditionError(
            "the root is being replaced already; ask for the status, or finish that one first",
            reason="ROTATION_UNDER_WAY",
        )
    return Authority((*authority.roots, root), authority.signing, authority.trust_version + 1, now_ms)


def stepped(authority: Authority, step: Sign | Drop, now_ms: int) -> Authority:
    """After a step."""
    match step:
        case Sign():
            return Authority(authority.roots, authority.newest.id, authority.trust_version, now_ms)
        case Drop():
            return Authority((authority.newest,), authority.newest.id, authority.trust_version + 1, now_ms)


def forced(authority: Authority) -> Sign | Drop:
    """The step that an operator insists on.

    Raises:
        FailedPreconditionError: There is no rotation.
    """
    match authority.phase:
        case Phase.DISTRIBUTING:
            return Sign()
        case Phase.RENEWING:
            return Drop()
        case Phase.STEADY:
            raise FailedPreconditionError("the root is not being replaced; begin first", reason="NO_ROTATION")


def aborted(authority: Authority, now_ms: int) -> Authority:
    """Without the root that does not sign yet.

    Raises:
        FailedPreconditionError: There is none: certificates of the new root exist already, or no rotation.
    """
    if authority.phase is not Phase.DISTRIBUTING:
        raise FailedPreconditionError(
            "only a rotation whose new root does not sign yet can be given up", reason="NO_ROTATION"
        )
    return Authority(authority.roots[:1], authority.signing, authority.trust_version + 1, now_ms)


def known_version(authority: Authority, version: int) -> int:
    """Give back a version of the roots that a holder says it trusts.

    Raises:
        InvalidArgumentError: There is no such version yet: taking its word would let a rotation go on too early.
    """
    if not 0 < version <= authority.trust_version:
        raise InvalidArgumentError(f"trust_version is {version}; the newest is {authority.trust_version}")
    return version
