"""Whatever is said to any RPC, by gRPC or as JSON: an answer or a refusal, never a defect, and the member goes on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shell.clients import METHODS, Client, client
from shell.http_speaker import HttpSpeaker
from shell.random_messages import messages
from shell.servers import ETCD_35, chainfire, etcd, needs_etcd_35

from chainfire.shell.gateway_paths import METHODS as PATHS
from ultracloud.api.etcd import rpc_pb2
from ultracloud.testkit.processes import Process

SETTINGS = "[auth]\nbcrypt_cost = 4\n[storage]\nquota_mib = 64\n"
PATIENCE_S = 0.05
"""For calls that may wait for ever: watches, locks, campaigns."""
ENDED_BY_US = {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
DEFECTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS}
WAITING = {name for name, method in METHODS.items() if method.server_streaming} | {"Lock.Lock", "Election.Campaign"}
CALLS = st.sampled_from(sorted(METHODS)).flatmap(
    lambda name: st.tuples(st.just(name), st.lists(messages(METHODS[name].request_type), min_size=1, max_size=3))
)
NOISE = st.tuples(st.sampled_from(sorted(METHODS)), st.lists(st.binary(max_size=40), min_size=1, max_size=2))
fuzz = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A member that must outlive it all, without a defect in its log."""
    with chainfire(tmp_path_factory.mktemp("fuzzed"), SETTINGS) as process:
        yield process
        said = process.log.read_text()
        assert "Traceback" not in said, said[-8000:]
        assert process.terminate() == 0


@pytest.fixture(scope="module")
def caller(server: Process) -> Iterator[Client]:
    """Its client."""
    with client(server.addresses[0]) as made:
        yield made


def ask(caller: Client, name: str, bodies: list[bytes]) -> grpc.StatusCode:
    """Call with any bytes; how it ended."""
    method = METHODS[name]
    make = getattr(
        caller.channel,
        f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}",
    )
    request = iter(bodies) if method.client_streaming else bodies[0]
    answers = make(method.path, bytes, bytes)(request, timeout=PATIENCE_S if name in WAITING else 10)
    try:
        if method.server_streaming:
            for _ in answers:
                pass
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def alive(caller: Client) -> None:
    """It answers, and no alarm keeps the next message from being looked at."""
    off = rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.DEACTIVATE)
    for alarm in caller("Maintenance.Alarm", rpc_pb2.AlarmRequest()).alarms:
        off.memberID, off.alarm = alarm.memberID, alarm.alarm
        caller("Maintenance.Alarm", off)
    caller("KV.Put", rpc_pb2.PutRequest(key=b"alive"))


def check_calls(caller: Client, calls: list[tuple[str, list[Message]]]) -> None:
    for name, said in calls:
        with contextlib.suppress(grpc.RpcError):
            code = ask(caller, name, [each.SerializeToString() for each in said])
            assert code not in DEFECTS, (name, said, code)
    alive(caller)


@given(calls=st.lists(CALLS, min_size=1, max_size=12))
@fuzz
def test_any_message_is_answered_or_refused(caller: Client, calls: list[tuple[str, list[Message]]]) -> None:
    check_calls(caller, calls)


@given(noise=st.lists(NOISE, min_size=1, max_size=12))
@fuzz
def test_any_bytes_are_answered_or_refused(caller: Client, noise: list[tuple[str, list[bytes]]]) -> None:
    for name, bodies in noise:
        with contextlib.suppress(grpc.RpcError):
            code = ask(caller, name, bodies)
            assert code not in DEFECTS, (name, bodies, code)
    alive(caller)


@given(calls=st.lists(CALLS.filter(lambda call: call[0] not in WAITING), min_size=1, max_size=8))
@fuzz
def test_any_json_is_answered_or_refused(
    caller: Client, server: Process, calls: list[tuple[str, list[Message]]]
) -> None:
    path_of = {method.path: path for path, method in PATHS.items()}
    speaker = HttpSpeaker(server.addresses[0])
    for name, said in calls:
        response = speaker.ask("POST", path_of[METHODS[name].path], json_format.MessageToJson(said[0]))
        answer = json.loads(response.read())
        assert answer.get("code") not in {code.value[0] for code in DEFECTS}, (name, said[0], answer)
    speaker.close()
    alive(caller)


@pytest.mark.slow
@given(calls=st.lists(CALLS, min_size=1, max_size=30))
@settings(fuzz, max_examples=2000)
def test_many_messages_are_answered_or_refused(caller: Client, calls: list[tuple[str, list[Message]]]) -> None:
    check_calls(caller, calls)


KV_CALLS = st.sampled_from(["KV.Range", "KV.Put", "KV.DeleteRange", "KV.Txn"]).flatmap(
    lambda name: st.tuples(st.just(name), messages(METHODS[name].request_type, known=True))
)


def answer(caller: Client, name: str, request: Message) -> str:
    """What a server answers, but for its ids; of a refusal the code, since several may apply."""
    try:
        said = caller(name, request)
    except grpc.RpcError as error:
        return str(error.code())
    said.header.cluster_id = said.header.member_id = said.header.raft_term = 0
    return str(said)


@needs_etcd_35
@pytest.mark.slow
def test_any_message_is_answered_as_by_etcd(caller: Client, tmp_path: Path) -> None:
    with etcd(tmp_path, program=ETCD_35) as other, client(other.addresses[0]) as theirs:
        everything = rpc_pb2.DeleteRangeRequest(key=b"\0", range_end=b"\0")
        ahead = rpc_pb2.RangeRequest(key=b"a")
        caller("KV.DeleteRange", everything)
        while theirs("KV.Range", ahead).header.revision < caller("KV.Range", ahead).header.revision - 1:
            theirs("KV.Put", rpc_pb2.PutRequest(key=b"a"))
        theirs("KV.DeleteRange", everything)

        @given(st.lists(KV_CALLS, min_size=1, max_size=20))
        @settings(fuzz, max_examples=1000)
        def check(calls: list[tuple[str, Message]]) -> None:
            for name, request in calls:
                assert answer(caller, name, request) == answer(theirs, name, request), (name, request)

        check()
