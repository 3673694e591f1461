"""The renewer over an issuer in memory and real files."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from ultracloud.api.iam.v1 import ca_pb2 as pb
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit import pki
from ultracloud.servicekit.certificates import certificate_pem, fingerprint, names_of, new_leaf, new_root
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.renewal import Life, Renewer
from ultracloud.servicekit.replacement import read_certificate


class MemoryIssuer:
    """Signs with roots in memory; the first of `roots` signs."""

    def __init__(self, *roots: pki.Ca, life_s: float = 3600) -> None:
        self.roots, self.life_s, self.version = list(roots), life_s, 1
        self.is_away = False
        self.changed = asyncio.Event()
        self.told: list[tuple[str, int]] = []
        self.issued = 0

    def trust(self) -> pb.Trust:
        roots = "".join(certificate_pem(root.certificate).decode() for root in self.roots)
        return pb.Trust(roots=roots, version=self.version, signing=fingerprint(self.roots[0].certificate))

    def replace(self, *roots: pki.Ca) -> None:
        self.roots, self.version = list(roots), self.version + 1
        self.changed.set()

    async def issue(self, request: bytes, replaces: str) -> tuple[bytes, pb.Trust]:
        if self.is_away:
            raise UnavailableError("iam does not answer")
        parsed = x509.load_pem_x509_csr(request)
        public = parsed.public_key()
        assert isinstance(public, EllipticCurvePublicKey)
        assert replaces
        self.issued += 1
        leaf = new_leaf(self.roots[0], names_of(parsed), public, dt.timedelta(seconds=self.life_s))
        return certificate_pem(leaf), self.trust()

    async def acknowledge(self, certificate: bytes, trust_version: int) -> None:
        self.told.append((f"{x509.load_pem_x509_certificate(certificate).serial_number:x}", trust_version))

    async def trusts(self, version: int, _signing: str) -> AsyncIterator[pb.Trust]:
        while True:
            if version != self.version:
                version = self.version
                yield self.trust()
            await self.changed.wait()
            self.changed.clear()


async def until(is_true: object, renewer: Renewer) -> None:
    """Run the renewer until something holds."""
    assert callable(is_true)
    running = asyncio.create_task(renewer.run())
    try:
        for _ in range(500):
            if is_true():
                return
            await asyncio.wait([running], timeout=0.02)
        raise AssertionError("it does not come about")
    finally:
        running.cancel()
        await asyncio.wait([running])


def identity(tmp_path: Path, ca: pki.Ca, life_s: float) -> TlsIdentity:
    return pki.issue(ca, pki.service_identity("demo"), tmp_path / "demo", days=life_s / 86_400)


def test_a_certificate_is_due_at_two_thirds_of_its_life_give_or_take_a_twentieth() -> None:
    life = Life(1000, 1300)
    assert [round(life.due_s(luck)) for luck in (0.0, 0.5, 1.0)] == [1185, 1200, 1215]
    assert [life.left(now) for now in (1000, 1150, 1300)] == [1.0, 0.5, 0.0]


def test_a_certificate_past_its_due_moment_is_replaced_with_a_new_key(tmp_path: Path) -> None:
    ca = pki.make_ca(tmp_path)
    files = identity(tmp_path, ca, 2)
    before, key = read_certificate(files.certificate), files.key.read_bytes()

    async def play() -> None:
        issuer = MemoryIssuer(ca)
        await until(lambda: issuer.told and issuer.issued, Renewer(files, issuer, SystemClock()))
        after = read_certificate(files.certificate)
        assert issuer.told[-1] == (f"{after.serial_number:x}", 1)
        assert (names_of(after), issuer.issued) == (names_of(before), 1)
        assert files.key.read_bytes() != key

    asyncio.run(play())


def test_new_roots_are_trusted_and_told_without_renewing(tmp_path: Path) -> None:
    ca, fresh = pki.make_ca(tmp_path), new_root("next", 10)
    files = identity(tmp_path, ca, 3600)

    async def play() -> None:
        issuer = MemoryIssuer(ca, fresh)
        await until(lambda: issuer.told, Renewer(files, issuer, SystemClock()))
        assert files.ca.read_bytes() == issuer.trust().roots.encode()
        assert issuer.issued == 0

    asyncio.run(play())


def test_a_certificate_of_a_root_that_signs_no_more_is_renewed_long_before_it_is_due(tmp_path: Path) -> None:
    ca, fresh = pki.make_ca(tmp_path), new_root("next", 10)
    files = identity(tmp_path, ca, 20)

    async def play() -> None:
        issuer = MemoryIssuer(ca)
        issuer.replace(fresh, ca)
        await until(lambda: issuer.issued and len(issuer.told) > 1, Renewer(files, issuer, SystemClock()))
        read_certificate(files.certificate).verify_directly_issued_by(fresh.certificate)

    asyncio.run(play())


def test_an_issuer_that_is_away_is_asked_again(tmp_path: Path) -> None:
    ca = pki.make_ca(tmp_path)
    files = identity(tmp_path, ca, 1)

    async def play() -> None:
        issuer = MemoryIssuer(ca)
        issuer.is_away = True
        asyncio.get_running_loop().call_later(1.0, setattr, issuer, "is_away", False)
        await until(lambda: issuer.issued, Renewer(files, issuer, SystemClock()))

    asyncio.run(play())
