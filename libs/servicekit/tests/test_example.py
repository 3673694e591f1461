"""The README's service is a service."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import ssl
import sys
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from peers import PolicyStream, kv_service, policy_service, serving
from waiting import until

from ultracloud.api.iam.v1 import iam_pb2 as iam
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VpcsClient
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import (
    InvalidArgumentError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
)
from ultracloud.base.tokens import Claims, render_claims
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.streams import closing
from ultracloud.servicekit.testing import ACME, BLUE, DEVELOPER, RED, STRANGER
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import serve, started

EXAMPLE = Path(__file__).parent / "example_service.py"
README = Path(__file__).parent.parent / "README.md"
KEY = Ed25519PrivateKey.generate()


def test_the_readme_shows_this_service() -> None:
    assert f"```python\n{EXAMPLE.read_text()}```" in README.read_text()


def snapshot() -> iam.PolicySnapshot:
    """Two tenants, each with a developer."""
    tenants = ((ACME, BLUE, DEVELOPER), (ACME, RED, STRANGER))
    return iam.PolicySnapshot(
        version=1,
        keys=[iam.PublicKey(kid="k1", ed25519=KEY.public_key().public_bytes_raw())],
        organisations=[iam.PolicyOrganisation(id=ACME.id, name="acme")],
        projects=[
            iam.PolicyProject(id=p.id, name=p.name, organisation=o.id, quotas={"vpcs": 2}) for o, p, _ in tenants
        ],
        service_accounts=[iam.PolicyServiceAccount(id=a.id, name=a.name, project=p.id) for _, p, a in tenants],
        bindings=[
            iam.PolicyBinding(
                id=f"bnd-{p.name}",
                role="developer",
                principals=[f"serviceaccount:{a.id}"],
                resource=f"organisations/{o.id}/projects/{p.id}",
            )
            for o, p, a in tenants
        ],
    )


def token() -> str:
    now_s = SystemClock().now_ms() // 1000
    claims = render_claims(Claims(DEVELOPER.id, ACME.id, BLUE.id, now_s, now_s + 60, "jti", 1))
    return jwt.encode(dict(claims), KEY, "EdDSA", headers={"kid": "k1"})


def configured(
    folder: Path, material: TlsMaterial, flaredb: str, policy: str, chainfire: str = "", name: str = "notes"
) -> Path:
    path = folder / f"{name}.toml"
    peers = f'[peers]\nflaredb = "{flaredb}"\niam = "{policy}"\nchainfire = "{chainfire}"\n'
    path.write_text(f'state_dir = "{name}"\ndrain_s = 0.5\n' + material.toml(material.service("notes")) + peers)
    return path


async def use(vpcs: VpcsClient) -> None:
    """What a developer does: create, wait until it is ready, and what is refused."""
    await vpcs.create(net.CreateVpcRequest(project="blue", name="web", spec=net.VpcSpec(cidr="10.0.0.0/16")))
    async with closing(vpcs.watch(pb.WatchRequest(project="blue"))) as watch, asyncio.timeout(10):
        while not (await anext(watch)).object.status.conditions:
            pass
    with pytest.raises(InvalidArgumentError, match="cidr is empty"):
        await vpcs.create(net.CreateVpcRequest(project="blue", name="bad", spec=net.VpcSpec()))
    found = await vpcs.list(pb.ListRequest(project="blue", filter="spec.cidr=10.0.0.0/16"))
    assert [one.metadata.name for one in found.items] == ["web"]
    await vpcs.create(net.CreateVpcRequest(project="blue", name="db", spec=net.VpcSpec(cidr="10.1.0.0/16")))
    with pytest.raises(ResourceExhaustedError, match="quota of vpcs: the limit is 2, 2 are used"):
        await vpcs.create(net.CreateVpcRequest(project="blue", name="one-more", spec=net.VpcSpec(cidr="10.2.0.0/16")))
    with pytest.raises(PermissionDeniedError, match=r"no binding that gives prismnet\.vpcs\.list on projects/red"):
        await vpcs.list(pb.ListRequest(project="red"))


def test_it_serves_a_tenant_and_nobody_else(tmp_path: Path) -> None:
    async def scenario() -> None:
        material = TlsMaterial(tmp_path)
        store, policy = kv_service(MemoryStore()), policy_service(PolicyStream(snapshot()))
        async with (
            serving(store, identity=material.service("flaredb")) as flaredb,
            serving(policy, identity=material.service("iam")) as stream,
        ):
            config = configured(tmp_path, material, flaredb, stream)
            with started([sys.executable, str(EXAMPLE), "serve", "--config", str(config)], tmp_path / "log") as notes:
                (address,) = await asyncio.to_thread(notes.wait_ready)
                channel = channels.connect(address, material.operator("nobody"), pki.service_identity("notes"))
                await use(VpcsClient(channel.with_token(token())))
                for text in ("forged" + token(), "nonsense"):
                    with pytest.raises(UnauthenticatedError, match="no JSON Web Token of ours"):
                        await VpcsClient(channel.with_token(text)).list(pb.ListRequest(project="blue"))
                await channel.close()
                assert notes.rss_bytes() < 80_000_000
                assert await asyncio.to_thread(notes.terminate) == 0

    asyncio.run(scenario())


async def shards(address: str, material: TlsMaterial) -> int:
    """How many a replica says it works on."""
    identity = material.operator("x")
    context = ssl.create_default_context(cafile=str(identity.ca))
    context.load_cert_chain(identity.certificate, identity.key)
    context.check_hostname = False
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    return int(float(text.split("\nultracloud_vpcs_shards ")[1].split("\n")[0]))


async def make_ready(vpcs: VpcsClient, name: str) -> None:
    """Make a VPC, and wait until a replica has reconciled it."""
    await vpcs.create(net.CreateVpcRequest(project="blue", name=name, spec=net.VpcSpec(cidr="10.0.0.0/16")))
    async with closing(vpcs.watch(pb.WatchRequest(project="blue"))) as watch, asyncio.timeout(20):
        async for event in watch:
            if event.object.metadata.name == name and event.object.status.conditions:
                return


@pytest.mark.slow
def test_two_replicas_share_it_and_one_is_enough(tmp_path: Path) -> None:
    async def scenario() -> None:
        material = TlsMaterial(tmp_path)
        store, policy = kv_service(MemoryStore()), policy_service(PolicyStream(snapshot()))
        chainfire = tmp_path / "chainfire.toml"
        chainfire.write_text('state_dir = "chainfire"\n' + material.toml(material.service("chainfire")))
        async with (
            serving(store, identity=material.service("flaredb")) as flaredb,
            serving(policy, identity=material.service("iam")) as stream,
        ):
            with contextlib.ExitStack() as running:
                elections = running.enter_context(serve("chainfire", chainfire)).addresses[0]
                replicas = []
                for name in ("one", "two"):
                    config = configured(tmp_path, material, flaredb, stream, elections, name)
                    command = [sys.executable, str(EXAMPLE), "serve", "--config", str(config)]
                    replicas.append(running.enter_context(started(command, tmp_path / f"{name}.log")))
                addresses = [(await asyncio.to_thread(one.wait_ready))[0] for one in replicas]
                lines = [
                    channels.connect(one, material.operator("x"), pki.service_identity("notes")) for one in addresses
                ]
                await make_ready(VpcsClient(lines[0].with_token(token())), "by-both")

                async def is_shared() -> bool:
                    return [await shards(one, material) for one in addresses] == [16, 16]

                await until(is_shared)
                assert await asyncio.to_thread(replicas[0].terminate) == 0
                await make_ready(VpcsClient(lines[1].with_token(token())), "by-one")
                for line in lines:
                    await line.close()

    if importlib.util.find_spec("chainfire") is None:
        pytest.skip("chainfire is not installed here")
    asyncio.run(scenario())
