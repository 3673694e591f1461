"""Certificates for tests: one authority, and an identity for whoever is in the play.

material = TlsMaterial(tmp_path)
server = material.service("flaredb")
operator = material.operator("root")
"""

from __future__ import annotations

from pathlib import Path

from ultracloud.servicekit import pki
from ultracloud.servicekit.pki import TlsIdentity


class TlsMaterial:
    """An authority in `folder`, and the certificates it has issued there.

    Attributes:
        ca: The authority.
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = pki.make_ca(folder)

    def service(self, name: str) -> TlsIdentity:
        """Who ``service/<name>`` is."""
        return pki.issue(self.ca, pki.service_identity(name), self.folder)

    def agent(self, service: str, host: str) -> TlsIdentity:
        """Who ``agent/<service>/<host>`` is."""
        return pki.issue(self.ca, pki.agent_identity(service, host), self.folder)

    def operator(self, name: str = "root") -> TlsIdentity:
        """Who ``operator/<name>`` is."""
        return pki.issue(self.ca, pki.operator_identity(name), self.folder)

    def toml(self, identity: TlsIdentity) -> str:
        """The ``[tls]`` table of a configuration."""
        return f'[tls]\ncertificate = "{identity.certificate}"\nkey = "{identity.key}"\nca = "{identity.ca}"\n'
