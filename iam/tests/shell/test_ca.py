"""The authority in a running iam: join tokens, renewal, rotation."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography import x509

from iam.shell.import_ca import import_ca
from iam.shell.qr import qr_text
from iam.shell.root_key import load_root_key
from iam.shell.root_keys import RootKeys
from iam.testing import Clients, Live, RunningIam, refusal_of, running_iam
from ultracloud.api.iam.v1 import ca_pb2 as pb
from ultracloud.api.iam.v1.ca_rpc import CaClient, JoinTokensClient
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest, GetRequest, ListRequest
from ultracloud.servicekit import pki
from ultracloud.servicekit.certificates import Names, names_of, new_key, request_for
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.join import JoinError, join
from ultracloud.servicekit.store import MemoryStore

NODE = pki.node_identity("web-1")


async def imported(iam: RunningIam) -> None:
    """The authority of the test's certificates, handed over to the iam that runs."""
    key = load_root_key(iam.folder / "root.key")
    assert key is not None
    await import_ca(iam.store, RootKeys(lambda: (key,)), iam.ca, SystemClock().now_ms())


async def token_for(ada: Clients, identity: str, name: str = "t", ttl_s: int = 0) -> pb.JoinToken:
    spec = pb.JoinTokenSpec(identity=identity, ttl_s=ttl_s)
    return await JoinTokensClient(ada.channel).create(pb.CreateJoinTokenRequest(name=name, spec=spec))


def request(identity: str, *hosts: str) -> bytes:
    return request_for(new_key(), Names(identity, hosts))


async def issued(ada: Clients, identity: str, token: str = "", *hosts: str) -> x509.Certificate:
    answer = await CaClient(ada.channel).issue_certificate(
        pb.IssueCertificateRequest(request=request(identity, *hosts), join_token=token)
    )
    return x509.load_pem_x509_certificate(answer.certificate.encode())


def test_a_machine_joins_with_a_token_that_works_once(live: Live, tmp_path: Path) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await imported(iam)
        made = await token_for(ada, "node/*")
        files = await asyncio.to_thread(join, iam.address, made.token, NODE, tmp_path / "node", ["web-1.lan"])
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        assert names_of(certificate) == Names(NODE, ("web-1.lan",))
        certificate.verify_directly_issued_by(iam.ca.certificate)
        used = await JoinTokensClient(ada.channel).get(GetRequest(ref="t"))
        assert (used.status.used_by, used.token) == (NODE, "")
        with pytest.raises(JoinError, match="mistyped, used, revoked or expired"):
            await asyncio.to_thread(join, iam.address, made.token, NODE, tmp_path / "again")
        assert not (tmp_path / "again").exists()

    live(scenario)


def test_of_two_who_come_with_one_token_at_the_same_moment_one_gets_in(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await imported(iam)
        made = await token_for(ada, "node/*")
        async with asyncio.TaskGroup() as tasks:
            tries = [tasks.create_task(_try(ada, made.token)) for _ in range(8)]
        assert sorted(one.result() for one in tries) == ["", *["JOIN_TOKEN_REFUSED"] * 7]

    live(scenario)


async def _try(ada: Clients, token: str) -> str:
    try:
        await issued(ada, NODE, token)
    except Exception as error:  # noqa: BLE001 - the reason is what is compared
        return str(getattr(error, "reason", error))
    return ""


def test_a_token_makes_only_whom_it_names_until_it_is_revoked(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await imported(iam)
        made = await token_for(ada, "agent/*/web-1")
        for identity in (NODE, pki.service_identity("iam"), pki.agent_identity("prismnet", "web-2")):
            assert (await refusal_of(issued(ada, identity, made.token))).reason == "JOIN_TOKEN_REFUSED"
        wrong = made.token[:-1] + ("0" if made.token[-1] != "0" else "1")
        for token in (wrong, "ucj.x.y", "nonsense", made.token + "x"):
            fault = await refusal_of(issued(ada, pki.agent_identity("prismnet", "web-1"), token))
            assert fault.reason == "JOIN_TOKEN_REFUSED", token
        await JoinTokensClient(ada.channel).delete(DeleteRequest(ref="t"))
        fault = await refusal_of(issued(ada, pki.agent_identity("prismnet", "web-1"), made.token))
        assert fault.reason == "JOIN_TOKEN_REFUSED"

    live(scenario)


def test_only_a_digest_of_a_token_is_in_the_store_and_no_rpc_tells_it_again(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await imported(iam)
        made = await token_for(ada, "node/*")
        secret = made.token.rpartition(".")[2].encode()
        stored = await iam.store.scan(b"", b"", limit=1000)
        assert not [entry.key for entry in stored.entries if secret in entry.value]
        listed = await JoinTokensClient(ada.channel).list(ListRequest())
        assert [(one.token, one.qr) for one in listed.items] == [("", "")]
        assert made.qr == qr_text(made.token)
        same = pb.CreateJoinTokenRequest(name="u", spec=pb.JoinTokenSpec(identity="node/*"), idempotency_key="k")
        first = await JoinTokensClient(ada.channel).create(same)
        again = await JoinTokensClient(ada.channel).create(same)
        assert (bool(first.token), again.token, again.metadata.id) == (True, "", first.metadata.id)

    live(scenario)


def test_a_certificate_renews_itself_and_nobody_else(live: Live) -> None:
    async def scenario(iam: RunningIam, _ada: Clients) -> None:
        await imported(iam)
        async with iam.clients(NODE) as node:
            assert names_of(await issued(node, NODE)).identity == NODE
            agent = pki.agent_identity("prismnet", "web-1")
            assert names_of(await issued(node, agent)).identity == agent
            for identity in (pki.service_identity("iam"), pki.node_identity("web-2")):
                assert (await refusal_of(issued(node, identity))).reason == "NOT_YOUR_IDENTITY"
            fault = await refusal_of(issued(node, NODE, "", "iam.service.ultracloud.local"))
            assert fault.reason == "NAME_RESERVED"

    live(scenario)


def test_there_is_no_certificate_without_an_authority_and_no_second_authority(live: Live, tmp_path: Path) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        assert (await refusal_of(issued(ada, NODE))).reason == "NO_AUTHORITY"
        await imported(iam)
        await imported(iam)
        other = pki.make_ca(tmp_path / "other")
        with pytest.raises(StartError, match="another authority"):
            await import_ca(iam.store, RootKeys(lambda: (bytes(32),)), other, 0)

    live(scenario)


def test_rotation_is_the_owners_and_says_whom_it_waits_for(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await imported(iam)
        async with iam.clients(NODE) as node:
            await issued(node, NODE)
            begin = pb.RotateCaRequest(action=pb.RotateCaRequest.BEGIN)
            assert (await refusal_of(CaClient(node.channel).rotate_ca(begin))).reason == "NO_BINDING"
        status = await CaClient(ada.channel).rotate_ca(begin)
        assert status.phase == pb.CaStatus.DISTRIBUTING
        assert [root.is_signing for root in status.roots] == [True, False]
        assert "made outside iam" in status.next
        assert (await refusal_of(CaClient(ada.channel).rotate_ca(begin))).reason == "ROTATION_UNDER_WAY"
        forced = await CaClient(ada.channel).rotate_ca(pb.RotateCaRequest(action=pb.RotateCaRequest.FORCE))
        assert forced.phase == pb.CaStatus.RENEWING
        assert forced.waiting_for[0].startswith("node/web-1 until 20")
        done = await CaClient(ada.channel).rotate_ca(pb.RotateCaRequest(action=pb.RotateCaRequest.FORCE))
        assert (done.phase, len(done.roots)) == (pb.CaStatus.STEADY, 1)

    live(scenario)


def test_the_authority_survives_a_restart(tmp_path: Path) -> None:
    async def play() -> None:
        store = MemoryStore()
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            await ada.make_organisation("acme")
            await imported(iam)
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            assert names_of(await issued(ada, pki.operator_identity("ada"))).identity == pki.operator_identity("ada")

    asyncio.run(asyncio.wait_for(play(), 20))
