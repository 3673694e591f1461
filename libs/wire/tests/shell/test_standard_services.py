from __future__ import annotations

import asyncio
import subprocess
import sys

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from serving import calling, refused, serving

from ultracloud.api.grpc.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListResponse
from ultracloud.api.grpc.reflection.v1 import reflection_pb2 as v1
from ultracloud.api.wire.v1.echo_rpc import ECHO

V1 = "grpc.reflection.v1.ServerReflection"
V1ALPHA = "grpc.reflection.v1alpha.ServerReflection"
CLIENT = """
import sys, grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
with grpc.insecure_channel(sys.argv[1]) as channel:
    health = health_pb2_grpc.HealthStub(channel)
    print(health.Check(health_pb2.HealthCheckRequest(), timeout=5).status)
    print(next(iter(health.Watch(health_pb2.HealthCheckRequest(service="ultracloud.wire.v1.Echo")))).status)
    database = ProtoReflectionDescriptorDatabase(channel)
    print(sorted(database.get_services()))
    pool = DescriptorPool(database)
    print([m.name for m in pool.FindServiceByName("ultracloud.wire.v1.Echo").methods])
    print(pool.FindMessageTypeByName("ultracloud.wire.v1.EchoRequest").full_name)
"""
"""grpcio's own clients, in a process of their own: their protos and ours cannot live in one."""


async def test_grpcios_health_and_reflection_clients_understand_us() -> None:
    async with serving() as (_server, target):
        arguments = [sys.executable, "-c", CLIENT, target]
        ran = await asyncio.to_thread(
            subprocess.run, arguments, capture_output=True, text=True, timeout=30, check=False
        )
    assert ran.stdout.splitlines() == [
        "1",
        "1",
        f"['grpc.health.v1.Health', '{V1}', '{V1ALPHA}', '{ECHO.name}']",
        "['Say', 'Repeat', 'Gather', 'Chat']",
        "ultracloud.wire.v1.EchoRequest",
    ], ran.stderr


async def test_a_watch_tells_each_change_of_health_and_ends_with_the_server() -> None:
    async with serving() as (server, target), calling(target) as echo:
        watch = echo.channel.unary_stream(
            "/grpc.health.v1.Health/Watch", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
        )(HealthCheckRequest(service=ECHO.name))
        told = [(await watch.read()).status]
        server.health.set(ECHO.name, serving=False)
        told.append((await watch.read()).status)
        server.health.set(ECHO.name, serving=True)
        told.append((await watch.read()).status)
        drained = asyncio.create_task(server.drain(5.0))
        told.append((await watch.read()).status)
        assert await watch.read() is grpc.aio.EOF
        await drained
    assert told == [1, 2, 1, 2]


async def test_health_of_an_unknown_service_is_not_found_and_its_watch_says_so() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        codecs = (HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString)
        with refused(grpc.StatusCode.NOT_FOUND):
            await echo.channel.unary_unary("/grpc.health.v1.Health/Check", *codecs)(HealthCheckRequest(service="no"))
        watch = echo.channel.unary_stream("/grpc.health.v1.Health/Watch", *codecs)(HealthCheckRequest(service="no"))
        assert (await watch.read()).status == HealthCheckResponse.SERVICE_UNKNOWN
        watch.cancel()


async def test_health_lists_what_the_server_speaks_for() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        listed = HealthListResponse.FromString(await echo.channel.unary_unary("/grpc.health.v1.Health/List")(b""))
    assert {name: each.status for name, each in listed.statuses.items()} == {"": 1, ECHO.name: 1}


async def reflect(target: str, *questions: v1.ServerReflectionRequest) -> list[v1.ServerReflectionResponse]:
    async with calling(target) as echo:
        ask = echo.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            v1.ServerReflectionRequest.SerializeToString,
            v1.ServerReflectionResponse.FromString,
        )
        return [answer async for answer in ask(list(questions))]


async def test_reflection_sends_each_file_once_a_stream_with_its_imports() -> None:
    question = v1.ServerReflectionRequest(file_containing_symbol=f"{ECHO.name}.Say")
    async with serving() as (_server, target):
        first, second = await reflect(target, question, question)
    files = [FileDescriptorProto.FromString(raw) for raw in first.file_descriptor_response.file_descriptor_proto]
    assert [file.name for file in files] == [ECHO.file]
    assert len(second.file_descriptor_response.file_descriptor_proto) == 0


async def test_reflection_tells_of_nothing_that_is_not_served() -> None:
    questions = [
        v1.ServerReflectionRequest(file_by_filename="ultracloud/iam/v1/iam.proto"),
        v1.ServerReflectionRequest(file_containing_symbol="google.rpc.Status"),
        v1.ServerReflectionRequest(file_containing_symbol="no.such.Thing"),
        v1.ServerReflectionRequest(),
    ]
    async with serving() as (_server, target):
        answers = await reflect(target, *questions)
    assert [answer.error_response.error_code for answer in answers] == [5, 5, 5, 3]
