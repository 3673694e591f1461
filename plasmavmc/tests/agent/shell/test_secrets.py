"""What the agent keeps of secrets, and what becomes of a start whose secrets cannot be had."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest
from simulated_host import vm_id

from plasmavmc.agent.core.actions import ActionFailedError
from plasmavmc.agent.core.desired import VmId
from plasmavmc.agent.core.place import Accelerator, Place
from plasmavmc.agent.shell.secrets import KeptSecrets
from plasmavmc.core.reasons import Reason
from ultracloud.base.faults import Fault, NotFoundError, PermissionDeniedError, UnavailableError

VM = vm_id(1)
WANTED = (("PASSWORD", "secret-1@0"),)


class Server:
    """What the control plane says."""

    def __init__(self, **values: bytes) -> None:
        self.said: Mapping[str, bytes] | Fault = values

    async def resolve(self, _vm: VmId) -> Mapping[str, bytes]:
        if isinstance(self.said, Fault):
            raise self.said
        return self.said


def kept(folder: Path, server: Server) -> KeptSecrets:
    place = Place(PurePosixPath(folder), PurePosixPath(folder), Accelerator.TCG, "", 1)
    return KeptSecrets(place, server.resolve)


def test_values_are_in_one_file_of_roots_and_go_with_the_vm(short_path: Path) -> None:
    secrets = kept(short_path, Server(PASSWORD=b"open"))
    asyncio.run(secrets.fetch(VM, WANTED))
    assert [stat.S_IMODE(file.stat().st_mode) for file in short_path.iterdir()] == [0o600]
    assert kept(short_path, Server()).of(VM) == {"PASSWORD": b"open"}
    secrets.forget(VM)
    assert list(short_path.iterdir()) == []
    assert kept(short_path, Server()).of(VM) == {}


def test_a_rotated_secret_is_seen_at_the_next_start_and_not_before(short_path: Path) -> None:
    server = Server(PASSWORD=b"one")
    secrets = kept(short_path, server)
    asyncio.run(secrets.fetch(VM, WANTED))
    server.said = {"PASSWORD": b"two"}
    assert secrets.of(VM) == {"PASSWORD": b"one"}
    asyncio.run(secrets.fetch(VM, WANTED))
    assert secrets.of(VM) == kept(short_path, server).of(VM) == {"PASSWORD": b"two"}


def test_while_nobody_answers_a_vm_starts_with_the_same_secrets_or_not_at_all(short_path: Path) -> None:
    server = Server(PASSWORD=b"one")
    asyncio.run(kept(short_path, server).fetch(VM, WANTED))
    server.said = UnavailableError("away")
    secrets = kept(short_path, server)
    asyncio.run(secrets.fetch(VM, WANTED))
    assert secrets.of(VM) == {"PASSWORD": b"one"}
    for vm, wanted in ((VM, (("PASSWORD", "secret-2@0"),)), (vm_id(2), WANTED)):
        with pytest.raises(ActionFailedError) as caught:
            asyncio.run(secrets.fetch(vm, wanted))
        assert caught.value.reason is Reason.SECRET_UNAVAILABLE


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (NotFoundError("it is gone", reason="SECRET_NOT_FOUND"), Reason.SECRET_NOT_FOUND),
        (PermissionDeniedError("not for VMs", reason="SECRET_DENIED"), Reason.SECRET_DENIED),
    ],
)
def test_what_was_taken_back_is_not_told_any_more(said: Fault, reason: Reason, short_path: Path) -> None:
    server = Server(PASSWORD=b"one")
    secrets = kept(short_path, server)
    asyncio.run(secrets.fetch(VM, WANTED))
    server.said = said
    with pytest.raises(ActionFailedError, match=said.public) as caught:
        asyncio.run(secrets.fetch(VM, WANTED))
    assert caught.value.reason is reason
    assert secrets.of(VM) == kept(short_path, server).of(VM) == {}


def test_a_file_that_cannot_be_read_is_as_none(short_path: Path) -> None:
    secrets = kept(short_path, Server(PASSWORD=b"one"))
    (short_path / f"{VM}.secrets").write_bytes(b"{]")
    assert secrets.of(VM) == {}
    asyncio.run(secrets.fetch(VM, WANTED))
    assert secrets.of(VM) == {"PASSWORD": b"one"}
