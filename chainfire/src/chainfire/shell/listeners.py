"""Where a configuration says that clients are served, as doors with their certificates."""

from __future__ import annotations

from pathlib import Path

from chainfire.config import ClientTls, Config
from chainfire.core.urls import Url
from ultracloud.servicekit import pki
from ultracloud.servicekit.doors import Door
from ultracloud.wire import TlsFiles

MADE = "made"
"""Name of the certificate that is made for a trial."""


def doors_of(config: Config) -> list[Door] | None:
    """The doors of `listen_urls` and `pages_urls`; None if there are none of the former, and `listen` holds.

    Raises:
        OSError: A certificate is to be made, and its folder cannot be written.
    """
    if not config.listen_urls:
        return None
    urls, pages = config.listeners(), config.pages()
    tls = _tls_of(config.client_tls, urls) if any(url.is_tls for url in (*urls, *pages)) else None
    return [
        *(Door(url.address, tls if url.is_tls else None) for url in urls),
        *(Door(url.address, tls if url.is_tls else None, pages_only=True) for url in pages),
    ]


def _tls_of(tls: ClientTls, urls: tuple[Url, ...]) -> TlsFiles:
    if tls.certificate is not None and tls.key is not None:
        return TlsFiles(tls.certificate, tls.key, tls.ca, tls.require)
    assert tls.made_in is not None, "a configuration with TLS URLs has a certificate or a folder to make one in"
    certificate, key = _made(tls.made_in, [url.host for url in urls if url.host])
    return TlsFiles(certificate, key, tls.ca, tls.require)


def _made(folder: Path, hosts: list[str]) -> tuple[Path, Path]:
    """A certificate that nobody vouches for: made once, by an authority that is forgotten at once."""
    identity = pki.service_identity(MADE)
    certificate, key = folder / f"service-{MADE}.crt", folder / f"service-{MADE}.key"
    if not (certificate.exists() and key.exists()):
        ca = pki.make_ca(folder)
        (folder / "ca.key").unlink()
        addresses = [host for host in hosts if host.replace(".", "").isdigit() or ":" in host]
        pki.issue(
            ca,
            identity,
            folder,
            hosts=["localhost", *(host for host in hosts if host not in addresses)],
            addresses=["127.0.0.1", *addresses],
        )
    return certificate, key
