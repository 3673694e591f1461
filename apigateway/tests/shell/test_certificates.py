"""The certificate that callers are shown: replaced while the gateway runs, and kept where a new one is none."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from fronts import authority

from apigateway.config import Public
from apigateway.testing import running_gateway
from ultracloud.servicekit import pki, runtime
from ultracloud.servicekit.settings import Peers


async def shown(address: str, roots: Path) -> int:
    """The serial of the certificate that a new connection sees."""
    trust = ssl.create_default_context(cafile=str(roots))
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=trust)
    connection = writer.get_extra_info("ssl_object")
    serial = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True)).serial_number
    writer.close()
    return serial


async def expires_s(address: str, roots: Path) -> float:
    """When it ends, as `/metrics` tells."""
    trust = ssl.create_default_context(cafile=str(roots))
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=trust)
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    [line] = [
        line
        for line in (await reader.read()).splitlines()
        if line.startswith(b"ultracloud_gateway_certificate_expires")
    ]
    writer.close()
    return float(line.split()[1])


def test_a_new_certificate_is_shown_without_a_restart_and_a_wrong_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runtime, "CERTIFICATE_CHECK_S", 0.05)
    ca = pki.make_ca(tmp_path / "ca")
    roots, name = tmp_path / "ca" / "ca.crt", pki.service_identity("front")
    files = pki.issue(ca, name, tmp_path / "public", days=5)
    first_key = files.key.read_bytes()

    async def scenario() -> None:
        public = Public(certificate=files.certificate, key=files.key)
        async with running_gateway(tmp_path / "gateway", Peers(), authority(), public=public) as gateway:
            before = await shown(gateway.address, roots)
            five_days_s = await expires_s(gateway.address, roots)
            pki.issue(ca, name, tmp_path / "public", days=90)
            async with asyncio.timeout(10):
                while (after := await shown(gateway.address, roots)) == before:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.05)
            assert await expires_s(gateway.address, roots) - five_days_s > 80 * 86_400
            files.key.write_bytes(first_key)
            async with asyncio.timeout(10):
                while "new certificate refused" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(0.05)
            assert await shown(gateway.address, roots) == after

    asyncio.run(scenario())
