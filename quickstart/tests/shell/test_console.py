import asyncio
import sys
from pathlib import Path

import pytest

from quickstart.errors import QuickstartError
from quickstart.shell import console
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VmsClient
from ultracloud.servicekit import channels


async def test_keys_from_a_file_cannot_be_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "keys").touch()
    nowhere = channels.connect(f"unix:{tmp_path}/nowhere.sock", None, "")
    with (tmp_path / "keys").open() as keys:
        monkeypatch.setattr(sys, "stdin", keys)
        with pytest.raises(QuickstartError, match="stdin is neither") as caught:
            await asyncio.wait_for(console.attach(VmsClient(nowhere), "blue", "web"), 5)
    await nowhere.close()
    assert "pipe" in caught.value.remedy
