"""Renewing our own certificate, and following whom to trust, while the service runs.

One task owns the files. At two thirds of a certificate's life it asks iam for the next one, with a new key; when iam
says that other roots are to be trusted it writes them, and says so back, because a rotation of the root waits for that
word. Whoever serves or connects notices by itself that the files are others (`Runtime`, `channels`).

Source: the SPIFFE Workload API (rotation before expiry); RFC 8555 for two thirds as the moment clients use.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prometheus_client import Counter

from ultracloud.api.iam.v1 import ca_pb2 as pb
from ultracloud.api.iam.v1.ca_rpc import CaClient
from ultracloud.api.rpc import Channel
from ultracloud.base.faults import Fault
from ultracloud.servicekit.certificates import BACKDATED, key_pem, names_of, new_key, request_for
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.files import write_atomically
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.replacement import read_certificate, replace_pair

if TYPE_CHECKING:
    from cryptography import x509

    from ultracloud.servicekit.metrics import Metrics

RENEWED_AT = 2 / 3
JITTER = 0.05
"""Of the lifetime: the services of a cloud that was started at once do not all come back at once."""
OVERDUE_LEFT, URGENT_LEFT = 0.25, 0.1
"""Parts of the lifetime that are left when a warning, and an error, is logged."""
PAUSE_MIN_S, PAUSE_MAX_S = 1.0, 60.0
"""Between attempts while iam does not answer."""
OTHER_ROOT_S_MAX = 3600.0
"""Within this time a certificate of a root that signs no more is renewed, or within a tenth of its life."""
LOOK_S_MAX = 3600.0
"""At most this long without looking: a clock that was set is noticed within the hour."""


class Issuer(Protocol):
    """Who signs."""

    async def issue(self, request: bytes, replaces: str) -> tuple[bytes, pb.Trust]:
        """A certificate, PEM, for a certification request, PEM; and whom to trust."""
        ...

    async def acknowledge(self, certificate: bytes, trust_version: int) -> None:
        """Say which certificate is in use and which roots are trusted."""
        ...

    def trusts(self, version: int, signing: str) -> AsyncIterator[pb.Trust]:
        """Whom to trust, as soon as it is something else than this."""
        ...


class RemoteIssuer:
    """iam, over the certificate that is to be renewed."""

    def __init__(self, channel: Channel) -> None:
        self._client = CaClient(channel)

    async def issue(self, request: bytes, replaces: str) -> tuple[bytes, pb.Trust]:
        """See `Issuer`."""
        answer = await self._client.issue_certificate(pb.IssueCertificateRequest(request=request, replaces=replaces))
        return answer.certificate.encode(), answer.trust

    async def acknowledge(self, certificate: bytes, trust_version: int) -> None:
        """See `Issuer`."""
        await self._client.acknowledge(pb.AcknowledgeRequest(certificate=certificate, trust_version=trust_version))

    def trusts(self, version: int, signing: str) -> AsyncIterator[pb.Trust]:
        """See `Issuer`."""
        return self._client.watch_trust(pb.WatchTrustRequest(known_version=version, known_signing=signing))


@dataclass(frozen=True, slots=True)
class Life:
    """When a certificate begins and ends, in seconds since 1970."""

    begins_s: float
    ends_s: float

    @property
    def length_s(self) -> float:
        """How long it is good for."""
        return max(1.0, self.ends_s - self.begins_s)

    def due_s(self, luck: float) -> float:
        """When to renew it; `luck` is 0 to 1, drawn once a certificate."""
        return self.begins_s + self.length_s * (RENEWED_AT + JITTER * (luck - 0.5) * 2)

    def left(self, now_s: float) -> float:
        """Which part of it is left; negative once it has ended."""
        return (self.ends_s - now_s) / self.length_s


class Renewer:
    """Keeps an identity's files fresh.

    Args:
        identity: The files; they must be there and good.
        issuer: Who signs.
        clock: Time.
        metrics: Where the count of failed renewals goes; None for nowhere.
    """

    def __init__(self, identity: TlsIdentity, issuer: Issuer, clock: Clock, metrics: Metrics | None = None) -> None:
        self._identity = identity
        self._issuer = issuer
        self._clock = clock
        self._log = logging.getLogger(__name__)
        self._trust: pb.Trust | None = None
        self._told: tuple[str, int] | None = None
        self._wake = asyncio.Event()
        self._luck = random.random()  # noqa: S311 - spreads load, guards nothing
        self._other_root_since_s: float | None = None
        about = "Attempts to renew this process's certificate that failed"
        registry = metrics.registry if metrics is not None else None
        self._failed = Counter("ultracloud_certificate_renewals_failed", about, registry=registry)

    async def run(self) -> None:
        """Renew for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="follow whom to trust")
            tasks.create_task(self._tend(), name="tend the certificate")

    async def _follow(self) -> None:
        """Take in whom to trust, whenever it changes; iam may be away for long."""
        pause_s = PAUSE_MIN_S
        while True:
            version, signing = (self._trust.version, self._trust.signing) if self._trust else (0, "")
            try:
                async with aclosing(self._issuer.trusts(version, signing)) as trusts:  # type: ignore[type-var]
                    async for trust in trusts:
                        pause_s = PAUSE_MIN_S
                        self._trust = trust
                        self._wake.set()
            except Fault as error:
                self._log.debug("whom to trust is not told at the moment", exc_info=error)
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def _tend(self) -> None:
        """Do what is due; then sleep until something is, or somebody has news."""
        while True:
            self._wake.clear()
            try:
                pause_s = await self._round()
            except (Fault, OSError, ValueError) as error:
                self._failed.inc()
                life = life_of(read_certificate(self._identity.certificate))
                left, pause_s = life.left(self._now_s()), min(PAUSE_MAX_S, max(PAUSE_MIN_S, life.length_s / 100))
                self._log.log(
                    _alarm(left),
                    "certificate not renewed, %d s are left: %s",
                    left * life.length_s,
                    error,
                    exc_info=error,
                )
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _round(self) -> float:
        """Trust, renew, tell; gives the seconds until the next look."""
        if self._trust is not None:
            self._write_roots(self._trust)
        certificate = read_certificate(self._identity.certificate)
        if self._due_s(certificate) <= self._now_s():
            await self._renew(certificate)
            certificate = read_certificate(self._identity.certificate)
        await self._tell(certificate)
        return min(LOOK_S_MAX, max(0.05, self._due_s(certificate) - self._now_s()))

    def _due_s(self, certificate: x509.Certificate) -> float:
        """When this certificate is to be renewed."""
        life = life_of(certificate)
        due_s = life.due_s(self._luck)
        if self._trust is None or _is_of(certificate, self._trust):
            self._other_root_since_s = None
            return due_s
        if self._other_root_since_s is None:
            self._other_root_since_s = self._now_s()
        return min(due_s, self._other_root_since_s + self._luck * min(OTHER_ROOT_S_MAX, life.length_s / 10))

    async def _renew(self, certificate: x509.Certificate) -> None:
        """Replace the certificate and its key."""
        key = new_key()
        request = request_for(key, names_of(certificate))
        fresh, trust = await self._issuer.issue(request, f"{certificate.serial_number:x}")
        if self._trust is None or self._trust.version <= trust.version:
            self._trust = trust
            # Before the certificate: whoever shows it must be able to verify those who show one like it.
            self._write_roots(trust)
        replace_pair(self._identity, fresh, key_pem(key))
        self._luck = random.random()  # noqa: S311 - as above
        self._log.info("certificate written")

    async def _tell(self, certificate: x509.Certificate) -> None:
        """Say what is in use, once each time that it is something else."""
        if self._trust is None:
            return
        now = (f"{certificate.serial_number:x}", self._trust.version)
        if now != self._told:
            await self._issuer.acknowledge(self._identity.certificate.read_bytes(), self._trust.version)
            self._told = now

    def _write_roots(self, trust: pb.Trust) -> None:
        """Trust these, and nobody else."""
        from cryptography import x509

        content = trust.roots.encode()
        # What does not parse must not replace what does: nobody could be verified.
        assert x509.load_pem_x509_certificates(content)
        if self._identity.ca.read_bytes() != content:
            write_atomically(self._identity.ca, content, mode=0o600)
            self._log.info("trusting roots of version %d", trust.version)

    def _now_s(self) -> float:
        return self._clock.now_ms() / 1000


def _alarm(left: float) -> int:
    """How loud a failed renewal is, by the part of the certificate's life that is left."""
    if left < URGENT_LEFT:
        return logging.ERROR
    return logging.WARNING if left < OVERDUE_LEFT else logging.INFO


def life_of(certificate: x509.Certificate) -> Life:
    """When a certificate was made and when it ends."""
    begins_s = (certificate.not_valid_before_utc + BACKDATED).timestamp()
    return Life(begins_s, certificate.not_valid_after_utc.timestamp())


def _is_of(certificate: x509.Certificate, trust: pb.Trust) -> bool:
    """Whether the root that signs now has signed it."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    from ultracloud.servicekit.certificates import fingerprint

    for root in x509.load_pem_x509_certificates(trust.roots.encode()):
        if fingerprint(root) == trust.signing:
            try:
                certificate.verify_directly_issued_by(root)
            except (ValueError, TypeError, InvalidSignature):
                return False
            return True
    return False
