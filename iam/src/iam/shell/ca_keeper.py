"""The certificate authority in the store: what it is now, what it has issued, and each change of either.

A change compares the version of the state it was decided on, so what was decided on a state that is gone is decided
again: above all, nothing is signed by a root that has been dropped or has stopped to sign.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from iam.core.ca_admission import bad_token
from iam.core.ca_rotation import (
    Authority,
    Certificate,
    Drop,
    Phase,
    Root,
    Sign,
    Step,
    Wait,
    aborted,
    begun,
    forced,
    known_version,
    plan,
    stepped,
)
from iam.shell.ca_codec import (
    CERTIFICATES,
    PREFIX,
    STATE_KEY,
    authority_of,
    certificate_key,
    certificate_of,
    opened_root,
    render_certificate,
    resealed_root,
    sealed_root,
    serial_of,
    trust_of,
    with_authority,
)
from iam.shell.root_keys import RootKeys
from ultracloud.api.iam.v1 import ca_pb2 as pb
from ultracloud.api.iam.v1 import ca_state_pb2 as state_pb
from ultracloud.base.faults import (
    AbortedError,
    FailedPreconditionError,
    Fault,
    InvalidArgumentError,
    PermissionDeniedError,
)
from ultracloud.servicekit.certificates import Ca, Names, certificate_pem, fingerprint, names_of, new_leaf, new_root
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.store import Committed, Conflict, Store, prefix_end
from ultracloud.servicekit.store.following import Changed, Loaded, follow

ROOT_DAYS = 3650
RACES_MAX = 20
"""Times that another writer may be faster."""
TICK_S, IDLE_S = 0.5, 60.0
"""How often a rotation, and how often the rest, is looked at."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate, PEM, and whom its holder is to trust."""

    certificate: bytes
    serial: str
    expires_at_s: int
    trust: pb.Trust


class CaKeeper:
    """The authority of this cloud; there is none until one is imported.

    Args:
        store: iam's namespace.
        keys: Seal the roots' keys.
        clock: Time.
        leaf_ttl_s: Lifetime of certificates.
        settle_s: Pause between the last holder's word and the next step of a rotation.
    """

    def __init__(self, store: Store, keys: RootKeys, clock: Clock, *, leaf_ttl_s: float, settle_s: float) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._leaf_ttl_s = leaf_ttl_s
        self._settle_ms = int(settle_s * 1000)
        self._state: state_pb.CaState | None = None
        self._certificates: dict[str, Certificate] = {}
        self._opened: dict[str, Ca] = {}
        self._moved = asyncio.Event()

    # ---- what it is ------------------------------------------------------------------------------------------------

    def trust(self) -> pb.Trust:
        """Whom to trust now.

        Raises:
            FailedPreconditionError: There is no authority.
        """
        return trust_of(self._required(self._state))

    async def next_trust(self, version: int, signing: str) -> pb.Trust:
        """Whom to trust, once it is something else than the caller knows."""
        while self._state is None or (self._state.trust_version, self._state.signing) == (version, signing):
            await self._moved.wait()
        return trust_of(self._state)

    def view(self) -> tuple[Authority, tuple[Certificate, ...], Step]:
        """The authority, live certificates, and what comes next.

        Raises:
            FailedPreconditionError: There is no authority.
        """
        authority, now_ms = authority_of(self._required(self._state)), self._clock.now_ms()
        live = tuple(one for one in self._certificates.values() if one.not_after_ms > now_ms)
        return authority, live, plan(authority, live, now_ms, self._settle_ms)

    # ---- certificates ----------------------------------------------------------------------------------------------

    async def issue(
        self,
        names: Names,
        public: EllipticCurvePublicKey,
        replaces: str = "",
        spent: tuple[bytes, int] | None = None,
    ) -> Issued:
        """Sign a certificate and remember it.

        Args:
            names: What it says.
            public: Whose it is.
            replaces: Serial of the holder's certificate that goes when this one comes into use.
            spent: A key of the store, and its version, that is removed in the same moment: it lets nobody in again.

        Raises:
            FailedPreconditionError: There is no authority.
            UnauthenticatedError: What was to be spent is spent.
            AbortedError: The authority changed again and again.
        """
        for _ in range(RACES_MAX):
            state, version = await self._read()
            root = next(one for one in state.roots if one.id == state.signing)
            ca = self._open(root)
            lifetime = dt.timedelta(seconds=self._leaf_ttl_s)
            # A certificate cannot be good for longer than what it is signed with.
            left = ca.certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
            certificate = new_leaf(ca, names, public, min(lifetime, left))
            ends_s = int(certificate.not_valid_after_utc.timestamp())
            serial = serial_of(certificate)
            before = await self._before(replaces, names.identity)
            record = Certificate(serial, names.identity, root.id, ends_s * 1000)
            if before is not None:
                # The holder trusts what it has said it trusts, whichever certificate it shows.
                record = replace(
                    record,
                    trust_version=before.trust_version,
                    acknowledged_at_ms=before.acknowledged_at_ms,
                    replaces=before.serial,
                )
            comparisons, writes = {STATE_KEY: version}, dict[bytes, bytes | None]()
            if spent is not None:
                comparisons[spent[0]], writes[spent[0]] = spent[1], None
            writes[certificate_key(serial)] = render_certificate(record)
            done = await self._store.txn(comparisons, writes)
            if isinstance(done, Conflict) and spent is not None and spent[0] in done.failed:
                raise bad_token()
            if isinstance(done, Committed):
                return Issued(certificate_pem(certificate), serial, ends_s, trust_of(state))
        raise AbortedError("the authority changes at the moment; try again", reason="CONTENDED")

    async def acknowledge(self, identity: str, certificate: x509.Certificate, trust_version: int) -> None:
        """Take the word of a holder: which certificate it uses, and which roots it trusts.

        Raises:
            PermissionDeniedError: The certificate is somebody else's, or not of this authority.
            InvalidArgumentError: There are no such roots.
        """
        state, _ = await self._read()
        known_version(authority_of(state), trust_version)
        root = _issuer(state, certificate)
        try:
            is_own = names_of(certificate).identity == identity
        except ValueError:
            is_own = False
        if root is None or not is_own:
            raise PermissionDeniedError("the certificate is not one of yours from here", reason="NOT_YOUR_IDENTITY")
        serial, now_ms = serial_of(certificate), self._clock.now_ms()
        stored = await self._store.get(certificate_key(serial))
        ends_ms = int(certificate.not_valid_after_utc.timestamp() * 1000)
        # One that iam has not made, of an imported root, becomes known here.
        known = certificate_of(stored.value) if stored else Certificate(serial, identity, root, ends_ms)
        fresh = known
        if known.trust_version < trust_version:
            fresh = replace(fresh, trust_version=trust_version, acknowledged_at_ms=now_ms)
        writes: dict[bytes, bytes | None] = {}
        if known.replaces:
            writes[certificate_key(known.replaces)] = None
            fresh = replace(fresh, replaces="")
        if stored is None or fresh != known:
            writes[certificate_key(serial)] = render_certificate(fresh)
        if writes:
            await self._store.txn({certificate_key(serial): stored.version if stored else 0}, writes)

    # ---- rotation --------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Make a new root and hand it out.

        Raises:
            FailedPreconditionError: A rotation is under way, or there is no authority.
        """
        # Roots are told apart by name too: not every library looks at the key that signed.
        ca = new_root(f"UltraCloud CA {secrets.token_hex(4)}", ROOT_DAYS)
        root = Root(fingerprint(ca.certificate), int(ca.certificate.not_valid_after_utc.timestamp() * 1000))
        now_ms = self._clock.now_ms()
        await self._change(lambda authority: begun(authority, root, now_ms), sealed_root(self._keys, ca, now_ms))

    async def force(self) -> None:
        """Take the next step without waiting.

        Raises:
            FailedPreconditionError: There is no rotation.
        """
        await self._change(lambda authority: stepped(authority, forced(authority), self._clock.now_ms()))

    async def abort(self) -> None:
        """Drop the root that does not sign yet.

        Raises:
            FailedPreconditionError: There is none.
        """
        await self._change(lambda authority: aborted(authority, self._clock.now_ms()))

    async def _change(self, decide: Callable[[Authority], Authority], added: state_pb.SealedRoot | None = None) -> None:
        """Write what `decide` makes of the state, and wait until we see it ourselves."""
        for _ in range(RACES_MAX):
            state, version = await self._read()
            fresh = with_authority(state, decide(authority_of(state)), added)
            done = await self._store.txn({STATE_KEY: version}, {STATE_KEY: fresh.SerializeToString()})
            if isinstance(done, Committed):
                self._state = fresh
                self._tell()
                return
        raise AbortedError("the authority changes at the moment; try again", reason="CONTENDED")

    # ---- living ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the store, and let rotations go on, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="follow the authority")
            tasks.create_task(self._tend(), name="tend the authority")

    async def _follow(self) -> None:
        async for news in follow(self._store, PREFIX, prefix_end(PREFIX), self._clock):
            match news:
                case Loaded(entries, _):
                    self._state, self._certificates = None, {}
                    for entry in entries:
                        self._take(entry.key, entry.value)
                case Changed(changes, _):
                    for change in changes:
                        self._take(change.key, change.value)
            self._tell()

    def _take(self, key: bytes, value: bytes | None) -> None:
        if key == STATE_KEY:
            self._state = None if value is None else state_pb.CaState.FromString(value)
        elif value is None:
            self._certificates.pop(key.removeprefix(CERTIFICATES).decode(), None)
        else:
            one = certificate_of(value)
            self._certificates[one.serial] = one

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _tend(self) -> None:
        """Step a rotation when it may; forget what has ended."""
        while True:
            state = self._state
            if state is not None:
                try:
                    await self._step(authority_of(state))
                    await self._reseal(state)
                    await self._forget()
                except Fault as error:
                    logging.getLogger(__name__).info("the authority waits for the store: %s", error)
            is_busy = self._state is not None and len(self._state.roots) > 1
            moved = self._moved
            try:
                async with asyncio.timeout(TICK_S if is_busy else IDLE_S):
                    await moved.wait()
            except TimeoutError:
                continue

    async def _step(self, authority: Authority) -> None:
        if authority.phase is Phase.STEADY:
            return
        step = plan(authority, tuple(self._certificates.values()), self._clock.now_ms(), self._settle_ms)
        if isinstance(step, Wait):
            return
        if await self._write_step(authority, step):
            said = "the new root signs" if isinstance(step, Sign) else "the old root is dropped"
            logging.getLogger(__name__).warning("rotation of the authority: %s", said)

    async def _write_step(self, authority: Authority, step: Sign | Drop) -> bool:
        state, version = await self._read()
        if authority_of(state) != authority:
            return False
        fresh = with_authority(state, stepped(authority, step, self._clock.now_ms()))
        done = await self._store.txn({STATE_KEY: version}, {STATE_KEY: fresh.SerializeToString()})
        return isinstance(done, Committed)

    async def _reseal(self, state: state_pb.CaState) -> None:
        """Seal with the newest root key what an older one has sealed."""
        if all(self._keys.is_current(root.sealed_private) for root in state.roots):
            return
        current, version = await self._read()
        fresh = [resealed_root(self._keys, root) for root in current.roots]
        del current.roots[:]
        current.roots.extend(fresh)
        await self._store.txn({STATE_KEY: version}, {STATE_KEY: current.SerializeToString()})

    async def _forget(self) -> None:
        now_ms = self._clock.now_ms()
        for one in [one for one in self._certificates.values() if one.not_after_ms <= now_ms]:
            await self._store.txn({}, {certificate_key(one.serial): None})

    async def _read(self) -> tuple[state_pb.CaState, int]:
        """The state, as it is in the store.

        Raises:
            FailedPreconditionError: There is none.
        """
        entry = await self._store.get(STATE_KEY)
        state = self._required(state_pb.CaState.FromString(entry.value) if entry else None)
        return state, entry.version if entry else 0

    async def _before(self, serial: str, identity: str) -> Certificate | None:
        """The certificate that a new one is to replace.

        Raises:
            InvalidArgumentError: It is not the same holder's.
        """
        entry = await self._store.get(certificate_key(serial)) if serial else None
        if entry is None:
            return None
        before = certificate_of(entry.value)
        if before.identity != identity:
            raise InvalidArgumentError(f"certificate {serial[:40]!a} is not one of {identity}")
        return before

    def _open(self, root: state_pb.SealedRoot) -> Ca:
        if root.id not in self._opened:
            self._opened[root.id] = opened_root(self._keys, root)
        return self._opened[root.id]

    @staticmethod
    def _required(state: state_pb.CaState | None) -> state_pb.CaState:
        if state is None:
            raise FailedPreconditionError(
                "this cloud's certificate authority is not with iam",
                hint="run `iam import-ca` with the folder that `ultracloud.servicekit.pki` made",
                reason="NO_AUTHORITY",
            )
        return state


def _issuer(state: state_pb.CaState, certificate: x509.Certificate) -> str | None:
    """Id of the root that signed a certificate; None if none of ours did."""
    for root in state.roots:
        try:
            certificate.verify_directly_issued_by(x509.load_der_x509_certificate(root.certificate))
        except (ValueError, TypeError, InvalidSignature):
            continue
        return root.id
    return None
