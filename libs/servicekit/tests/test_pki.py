from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ultracloud.servicekit import pki


def test_an_identity_is_a_uri_and_a_dns_name() -> None:
    assert pki.service_identity("flaredb") == "spiffe://ultracloud.local/service/flaredb"
    assert pki.dns_name(pki.service_identity("flaredb")) == "flaredb.service.ultracloud.local"
    assert pki.dns_name(pki.agent_identity("prismnet", "node-1")) == "node-1.prismnet.agent.ultracloud.local"
    assert pki.operator_identity("root") == "spiffe://ultracloud.local/operator/root"


def test_a_certificate_names_its_owner_and_verifies_against_the_ca(tmp_path: Path) -> None:
    ca = pki.make_ca(tmp_path)
    files = pki.issue(ca, pki.service_identity("iam"), tmp_path)
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    certificate.verify_directly_issued_by(ca.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://ultracloud.local/service/iam"]
    assert names.get_values_for_type(x509.DNSName) == ["iam.service.ultracloud.local", "localhost"]
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {*uses} == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_only_the_owner_may_read_what_is_written(tmp_path: Path) -> None:
    pki.issue(pki.make_ca(tmp_path), pki.service_identity("iam"), tmp_path)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}


def test_a_ca_is_the_same_after_loading(tmp_path: Path) -> None:
    made = pki.make_ca(tmp_path)
    loaded = pki.load_ca(tmp_path)
    assert loaded.certificate == made.certificate
    files = pki.issue(loaded, pki.operator_identity("root"), tmp_path)
    x509.load_pem_x509_certificate(files.certificate.read_bytes()).verify_directly_issued_by(made.certificate)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    pki.make_ca(tmp_path)
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(ValueError, match="PEM"):
        pki.load_ca(tmp_path)


def test_a_replaced_file_changes_the_stamp(tmp_path: Path) -> None:
    ca = pki.make_ca(tmp_path)
    files = pki.issue(ca, pki.service_identity("iam"), tmp_path)
    before = pki.file_stamp(files)
    assert pki.file_stamp(files) == before
    pki.issue(ca, pki.service_identity("other"), tmp_path)
    assert pki.file_stamp(files) == before
    pki.issue(ca, pki.service_identity("iam"), tmp_path)
    assert pki.file_stamp(files) != before


def test_a_certificates_end_is_known(tmp_path: Path) -> None:
    files = pki.issue(pki.make_ca(tmp_path), pki.service_identity("iam"), tmp_path, days=1)
    assert 86_000 < pki.expires_in_s(files.certificate) <= 86_400
