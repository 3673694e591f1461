"""A namespace in a real flaredb process, for tests that must not rest on the store in memory alone."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.store import FlaredbStore
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import serve


@contextlib.asynccontextmanager
async def flaredb_store(folder: Path) -> AsyncGenerator[FlaredbStore, None]:
    """A fresh store; it ends with the block."""
    if importlib.util.find_spec("flaredb") is None:
        pytest.skip("flaredb is not installed here")
    material, config = TlsMaterial(folder), folder / "flaredb.toml"
    namespaces = f'namespaces = {{demo = ["{pki.service_identity("demo")}"]}}\n'
    config.write_text('state_dir = "state"\n' + namespaces + material.toml(material.service("flaredb")))
    with serve("flaredb", config) as process:
        identity = material.service("demo")
        channel = channels.connect(process.addresses[0], identity, pki.service_identity("flaredb"), deadline_s=20)
        yield FlaredbStore(channel, "demo")
        await channel.close()
