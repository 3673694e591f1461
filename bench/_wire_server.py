"""One server under load for `bench.wire`: ours or grpcio's, with the Echo service, pinned to one core.

Prints its port, serves until its standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
from pathlib import Path

import grpc
import uvloop

from ultracloud.api.rpc import ServiceDescriptor
from ultracloud.api.wire.v1.echo_pb2 import EchoRequest, EchoResponse
from ultracloud.api.wire.v1.echo_rpc import ECHO
from ultracloud.wire import Server, ServerOptions, TlsFiles, service
from ultracloud.wire.testing import AsyncEcho, DeferredEcho, PlainEcho

KINDS = {"plain": PlainEcho, "deferred": DeferredEcho, "async": AsyncEcho}


async def main() -> None:
    """Serve one kind of server until stdin closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=[*KINDS, "grpc.aio"])
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--tls", type=Path, help="folder with service.crt and service.key")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})
    if arguments.kind == "grpc.aio":
        _peer, port = await serve_grpcio(arguments.tls)
    else:
        tls = TlsFiles(arguments.tls / "server.crt", arguments.tls / "server.key") if arguments.tls else None
        server = Server([service(ECHO, KINDS[arguments.kind]())], ServerOptions(tls=tls))
        _host, port = await server.listen("127.0.0.1", 0)
    gc.freeze()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


async def serve_grpcio(tls: Path | None) -> tuple[grpc.aio.Server, int]:
    """The same service on grpc.aio; the server must be kept, or it stops."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((generic_handler(ECHO),))
    if tls is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = ((tls / "server.key").read_bytes(), (tls / "server.crt").read_bytes())
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    return server, port


def generic_handler(descriptor: ServiceDescriptor) -> grpc.GenericRpcHandler:
    """Echo as grpcio has it, written as its documentation does: coroutines, generated messages."""

    async def say(request: EchoRequest, _context: object) -> EchoResponse:
        return EchoResponse(payload=request.payload)

    async def repeat(request: EchoRequest, context: grpc.aio.ServicerContext[EchoRequest, EchoResponse]) -> None:
        for number in range(request.count):
            await context.write(EchoResponse(payload=request.payload, number=number))

    codecs = {"request_deserializer": EchoRequest.FromString, "response_serializer": EchoResponse.SerializeToString}
    methods = {
        "Say": grpc.unary_unary_rpc_method_handler(say, **codecs),
        "Repeat": grpc.unary_stream_rpc_method_handler(repeat, **codecs),
    }
    return grpc.method_handlers_generic_handler(descriptor.name, methods)


if __name__ == "__main__":
    uvloop.run(main())
