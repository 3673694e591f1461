"""A new line above the old one in root_key_file, a restart, and later the old line goes: nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

from iam.core.envelope import root_key_id
from iam.shell.import_ca import import_ca
from iam.shell.root_key import load_root_keys
from iam.shell.root_keys import RootKeys
from iam.testing import Clients, RunningIam, running_iam
from ultracloud.api.iam.v1 import access_keys_pb2 as keys_pb
from ultracloud.api.iam.v1 import ca_pb2, secrets_pb2
from ultracloud.api.iam.v1.access_keys_rpc import AccessKeysClient
from ultracloud.api.iam.v1.ca_rpc import CaClient
from ultracloud.api.iam.v1.secrets_rpc import SecretsClient
from ultracloud.servicekit import pki
from ultracloud.servicekit.certificates import Names, new_key, request_for
from ultracloud.servicekit.store import MemoryStore


async def filled(iam: RunningIam, ada: Clients) -> tuple[str, str]:
    """Something of everything that is sealed; gives a token and the id of an access key."""
    await ada.make_organisation("acme")
    await ada.make_project("acme", "blue")
    await ada.make_account("blue", "web")
    keys = load_root_keys(iam.folder / "root.key")
    await import_ca(iam.store, RootKeys(lambda: keys), iam.ca, 1)
    spec = secrets_pb2.SecretSpec(value=b"v")
    await SecretsClient(ada.channel).create(secrets_pb2.CreateSecretRequest(project="blue", name="s", spec=spec))
    made = await AccessKeysClient(ada.channel).create(
        keys_pb.CreateAccessKeyRequest(project="blue", name="k", spec=keys_pb.AccessKeySpec(principal="web"))
    )
    return await ada.make_token("blue", "web"), made.status.access_key_id


async def check(iam: RunningIam, ada: Clients, token: str, public: str) -> None:
    """Everything that was sealed opens."""
    assert (await ada.with_token(token).who_am_i()).project
    got = await SecretsClient(ada.channel).access(secrets_pb2.AccessSecretRequest(project="blue", ref="s"))
    assert got.value == b"v"
    async with iam.clients(pki.service_identity("lightningstor")) as store:
        asked = keys_pb.ResolveAccessKeyRequest(access_key_id=public)
        assert (await AccessKeysClient(store.channel).resolve(asked)).usable
    request = request_for(new_key(), Names(pki.operator_identity("ada")))
    await CaClient(ada.channel).issue_certificate(ca_pb2.IssueCertificateRequest(request=request))


async def until_resealed(iam: RunningIam) -> None:
    """Wait until nothing is under an older root key any more."""
    newest = root_key_id(load_root_keys(iam.folder / "root.key")[0]).to_bytes(4, "big")
    for _ in range(200):
        sealed = [entry.value for entry in (await iam.store.scan(b"keys/data/", b"keys/data0", limit=9)).entries]
        sealed += [entry.value for entry in (await iam.store.scan(b"keys/access/", b"keys/access0", limit=9)).entries]
        state = await iam.store.get(b"keys/ca")
        assert state is not None
        if all(newest in value for value in (*sealed, state.value)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not everything is sealed anew")


def test_the_root_key_is_replaced_by_a_new_line_and_two_restarts(tmp_path: Path) -> None:
    path = tmp_path / "root.key"

    async def play() -> None:
        store = MemoryStore()
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            token, public = await filled(iam, ada)
        old = path.read_text()
        path.write_text("ab" * 32 + "\n" + old)
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            await check(iam, ada, token, public)
            await until_resealed(iam)
        path.write_text("ab" * 32 + "\n")
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            await check(iam, ada, token, public)

    asyncio.run(asyncio.wait_for(play(), 50))
