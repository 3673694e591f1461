"""One server of `bench/gateway.py` in a process of its own: the gateway, the service behind it, or a peer.

All know the same hundred VPCs of a tenant, verify the same token with the same code, and decide by the same policy. The
gateway asks the service behind it over gRPC; the peers have the VPCs in their own memory, as a program of one process
has. Prints its port, and ends when its stdin does.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.api.resource.v1.resource_pb2 import GetRequest, ListRequest
from ultracloud.base.policy import decide, project_path
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.lifecycle import GC_THRESHOLDS
from ultracloud.servicekit.policy import PolicyCopy, Snapshot
from ultracloud.servicekit.resources import Context, Kind, KindServer, NewResource, Place, Resources
from ultracloud.servicekit.settings import Peers
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import ACME, BLUE, OPERATOR, sample_policy
from ultracloud.wire import Server, service

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
VPC_COUNT = 100
PERMISSION = "prismnet.vpcs.get"
TRAFFIC = """
[sources]
per_second = 10000000
burst = 10000000
[principals]
per_second = 10000000
burst = 10000000
[watches]
each = 5000
"""


async def admit(_context: Context, new: net.Vpc, _old: net.Vpc | None) -> net.Vpc:
    """Admit all."""
    return new


VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc, admit=admit)


def authority() -> PolicyCopy:
    """The policy and the key that the load's token is of."""
    return PolicyCopy(Snapshot(sample_policy(), {"k1": KEY.public_key().public_bytes_raw()}))


async def made() -> tuple[Resources, PolicyCopy]:
    """The VPCs in a store in memory."""
    shared, clock = authority(), SystemClock()
    resources = Resources(MemoryStore(), shared, clock, [VPC])
    place = Place(BLUE.id, ACME.id, project_path(BLUE), "project 'blue'")
    context = Context(resources, OPERATOR, place, clock)
    for number in range(VPC_COUNT):
        spec = net.VpcSpec(cidr=f"10.{number}.0.0/16", egress_nat=True)
        await resources.create(context, NewResource(VPC, f"vpc-{number}", spec, {"tier": "web"}))
    return resources, shared


async def backend(_address: str) -> int:
    """The service behind the gateway."""
    resources, shared = await made()
    server = Server([service(VPCS, KindServer(resources, VPC))], interceptors=[Authenticator(shared, SystemClock())])

    async def churn() -> None:
        # Whoever measures delivery sends a line: the time it is sent is the label of a VPC.
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            label = line.decode().strip()

            def change(vpc: net.Vpc, label: str = label) -> net.Vpc:
                vpc.metadata.labels["at"] = label
                return vpc

            stored = await resources.find(VPC, BLUE.id, "vpc-0")
            assert stored is not None
            place = Place(BLUE.id, ACME.id, project_path(BLUE), "project 'blue'")
            context = Context(resources, OPERATOR, place, SystemClock())
            await resources.update(context, VPC, stored.metadata.id, change)
        os._exit(0)

    server.churning = asyncio.ensure_future(churn())  # type: ignore[attr-defined]
    KEPT.append(server)
    collect_as_a_service_does()
    return (await server.listen("127.0.0.1", 0))[1]


def collect_as_a_service_does() -> None:
    """Let garbage be collected as in a service that `serve` has started."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def forgetful(address: str) -> int:
    """Ours, with nothing that it has read or written before at hand: what a request costs that nobody has sent yet."""
    from apigateway.core import answers
    from apigateway.shell import gateway as endpoint
    from ultracloud.wire.core import http1_heads

    answers.ITEM_BYTES_MAX = endpoint.QUESTION_CHARS_MAX = 0
    http1_heads.HEAD_KEPT_BYTES_MAX = 0
    return await gateway(address)


async def gateway(address: str) -> int:
    """Ours."""
    from apigateway.testing import running_gateway

    folder = Path(tempfile.mkdtemp())
    (folder / "traffic.toml").write_text(TRAFFIC)
    context = running_gateway(folder / "gateway", Peers(prismnet=address), authority(), folder / "traffic.toml")
    running = await context.__aenter__()
    KEPT.append(context)
    collect_as_a_service_does()
    return int(running.address.rpartition(":")[2])


class Application:
    """What the peers do for a request: verify, decide, look up."""

    def __init__(self, vpcs: dict[str, net.Vpc], shared: PolicyCopy) -> None:
        self.vpcs = vpcs
        self.shared = shared
        self.authenticator = Authenticator(shared, SystemClock())

    def allow(self, authorization: str, permission: str = PERMISSION) -> bool:
        """Whether the caller may."""
        principal = self.authenticator.principal_of_token(authorization.removeprefix("Bearer "))
        return decide(self.shared.snapshot.policy, principal, permission, project_path(BLUE)).allowed


def as_dict(vpc: net.Vpc) -> dict[str, Any]:
    """What a program with a dictionary in place of a proto has."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(vpc, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


async def application() -> Application:
    """The peers' application."""
    resources, shared = await made()
    return Application({one.metadata.name: one.message for one in await resources.all(VPC)}, shared)


async def fastapi(_address: str) -> int:
    """FastAPI with response models, as its documentation has it."""
    from bench._gateway_fastapi import make

    served = await application()
    return await uvicorn(make({name: as_dict(vpc) for name, vpc in served.vpcs.items()}, served.allow))


async def starlette(_address: str) -> int:
    """Starlette with dictionaries."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    served = await application()
    vpcs = {name: as_dict(vpc) for name, vpc in served.vpcs.items()}

    async def get(request: Request) -> JSONResponse:
        if not served.allow(request.headers["authorization"]) or request.path_params["project"] != BLUE.name:
            return JSONResponse({}, 403)
        return JSONResponse(vpcs[request.path_params["ref"]])

    async def listed(request: Request) -> JSONResponse:
        if not served.allow(request.headers["authorization"]) or request.path_params["project"] != BLUE.name:
            return JSONResponse({}, 403)
        size = int(request.query_params.get("page_size", "100"))
        return JSONResponse({"items": list(vpcs.values())[:size], "next_page_token": "", "version": "1"})

    routes = [Route("/v1/projects/{project}/vpcs/{ref}", get), Route("/v1/projects/{project}/vpcs", listed)]
    return await uvicorn(Starlette(routes=routes))


async def uvicorn(app: Any) -> int:
    """Serve an ASGI application on uvloop, without an access log; with httptools where it is installed."""
    from uvicorn import Config
    from uvicorn import Server as Uvicorn

    server = Uvicorn(Config(app, port=0, access_log=False, log_level="warning", lifespan="off"))
    serving = asyncio.ensure_future(server.serve())
    KEPT.append(serving)
    while not server.started:
        assert not serving.done(), serving.exception()
        await asyncio.sleep(0.01)
    return int(server.servers[0].sockets[0].getsockname()[1])


async def grpc_aio(_address: str) -> int:
    """grpc.aio with the same messages; no JSON at all."""
    import grpc.aio

    served = await application()
    messages = list(served.vpcs.values())

    async def get(request: GetRequest, context: Any) -> net.Vpc:
        if not served.allow(dict(context.invocation_metadata())["authorization"]):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        return served.vpcs[request.ref]

    async def listed(request: ListRequest, context: Any) -> net.ListVpcsResponse:
        if not served.allow(dict(context.invocation_metadata())["authorization"]):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        return net.ListVpcsResponse(items=messages[: request.page_size])

    methods: dict[str, Any] = {
        "Get": grpc.unary_unary_rpc_method_handler(get, GetRequest.FromString, net.Vpc.SerializeToString),
        "List": grpc.unary_unary_rpc_method_handler(
            listed, ListRequest.FromString, net.ListVpcsResponse.SerializeToString
        ),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("ultracloud.prismnet.v1.Vpcs", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    KEPT.append(server)
    return int(port)


KEPT: list[object] = []
"""What must not be collected while the server lives."""
KINDS: dict[str, Callable[[str], Awaitable[int]]] = {
    "backend": backend,
    "gateway": gateway,
    "forgetful": forgetful,
    "fastapi": fastapi,
    "starlette": starlette,
    "grpc.aio": grpc_aio,
}


async def live(kind: str, address: str) -> None:
    """Serve until stdin ends."""
    port = await KINDS[kind](address)
    print(json.dumps({"port": port}), flush=True)
    if kind == "backend":
        await asyncio.Event().wait()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


def main() -> None:
    """Serve one kind on one core."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--core", type=int, default=-1)
    parser.add_argument("--address", default="")
    arguments: SimpleNamespace = parser.parse_args(namespace=SimpleNamespace())
    if arguments.core >= 0:
        os.sched_setaffinity(0, {arguments.core})
    uvloop.run(live(arguments.kind, arguments.address))


if __name__ == "__main__":
    main()
