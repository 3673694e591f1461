from __future__ import annotations

from pathlib import Path

import pytest

from ultracloud.servicekit import pki, replacement
from ultracloud.servicekit.certificates import key_pem
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.replacement import finish_replacement, read_certificate, replace_pair


class PowerCutError(Exception):
    """The machine stops."""


def identities(tmp_path: Path) -> tuple[TlsIdentity, bytes, bytes]:
    """An identity in place, and the certificate and key of another of the same name."""
    ca = pki.make_ca(tmp_path)
    other = pki.issue(ca, pki.service_identity("iam"), tmp_path / "other")
    return pki.issue(ca, pki.service_identity("iam"), tmp_path), other.certificate.read_bytes(), other.key.read_bytes()


def is_pair(identity: TlsIdentity) -> bool:
    """Whether certificate and key belong together."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(identity.key.read_bytes(), password=None)
    return read_certificate(identity.certificate).public_key() == key.public_key()


def test_a_pair_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    identity, certificate, key = identities(tmp_path)
    replace_pair(identity, certificate, key)
    assert (identity.certificate.read_bytes(), identity.key.read_bytes()) == (certificate, key)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("steps", range(6))
def test_wherever_the_power_is_cut_the_next_start_finds_a_pair(
    tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, certificate, key = identities(tmp_path)
    left = iter(range(steps))

    def cut() -> None:
        if next(left, None) is None:
            raise PowerCutError

    def write(path: Path, content: bytes, mode: int) -> None:
        cut()
        path.write_bytes(content)
        path.chmod(mode)

    rename = Path.replace

    def replace(path: Path, target: Path) -> Path:
        cut()
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(replacement, "write_atomically", write)
        patch.setattr(Path, "replace", replace)
        try:
            replace_pair(identity, certificate, key)
        except PowerCutError:
            assert steps < 4
    finish_replacement(identity)
    assert is_pair(identity)
    assert (identity.certificate.read_bytes() == certificate) is (steps >= 3)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_leftovers_of_another_pair_are_removed(tmp_path: Path) -> None:
    identity, certificate, _key = identities(tmp_path)
    before = identity.certificate.read_bytes()
    (tmp_path / f".{identity.certificate.name}.next").write_bytes(certificate)
    finish_replacement(identity)
    assert identity.certificate.read_bytes() == before
    assert is_pair(identity)


def test_a_key_is_written_as_openssl_reads_it(tmp_path: Path) -> None:
    ca = pki.make_ca(tmp_path)
    assert key_pem(ca.key).startswith(b"-----BEGIN PRIVATE KEY-----\n")
