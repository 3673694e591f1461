"""Plain HTTP on the client port: the gateway, the health pages and the metrics, also as etcd 3.5 answers them."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conversation import GOLDEN
from prometheus_client.parser import text_string_to_metric_families
from shell.clients import client
from shell.http_speaker import HttpSpeaker
from shell.servers import ETCD_35, chainfire, etcd, needs_etcd_35, wait_until

from ultracloud.api.etcd import rpc_pb2
from ultracloud.testkit import golden
from ultracloud.testkit.processes import Process

SERVERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Process]]] = {
    "chainfire": chainfire,
    "etcd 3.5": lambda folder: etcd(folder, program=ETCD_35),
}
both = pytest.mark.parametrize("kind", ["chainfire", pytest.param("etcd 3.5", marks=needs_etcd_35)])
PAGES = (
    "/health",
    "/health?serializable=true",
    "/health?exclude=NOSPACE&exclude=CORRUPT",
    "/livez",
    "/livez?verbose",
    "/livez/serializable_read?verbose",
    "/readyz",
    "/readyz?exclude=data_corruption",
    "/readyz?exclude=nothing",
    "/readyz/data_corruption?verbose",
    "/readyz/linearizable_read",
    "/version",
)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A chainfire for tests that leave it as it was."""
    with chainfire(tmp_path_factory.mktemp("ours")) as server:
        yield server


@pytest.fixture
def speaker(ours: Process) -> Iterator[HttpSpeaker]:
    """A connection of its own for each test."""
    speaker = HttpSpeaker(ours.addresses[0])
    yield speaker
    speaker.close()


@contextlib.contextmanager
def asked(kind: str, folder: Path) -> Iterator[tuple[Process, HttpSpeaker]]:
    """A server and a speaker to it."""
    with SERVERS[kind](folder) as server:
        speaker = HttpSpeaker(server.addresses[0])
        try:
            yield server, speaker
        finally:
            speaker.close()


@both
def test_the_gateway_answers_as_the_golden_conversation_says(kind: str, tmp_path: Path) -> None:
    with asked(kind, tmp_path) as (_server, speaker):
        golden.check_conversation(GOLDEN / "gateway.txt", speaker.say)


@both
def test_pages_are_as_the_golden_says(kind: str, tmp_path: Path) -> None:
    with asked(kind, tmp_path) as (_server, speaker):
        text = "".join(page_of(speaker, "GET", path) for path in PAGES) + page_of(speaker, "POST", "/readyz")
    golden.check(GOLDEN / "pages.txt", text)


def page_of(speaker: HttpSpeaker, method: str, path: str) -> str:
    response = speaker.ask(method, path)
    body = response.read().decode()
    return f"> {method} {path}\n{response.status} {response.headers['content-type']}\n{body.rstrip()}\n"


def test_an_alarm_is_seen_in_health_unless_it_is_excluded(tmp_path: Path) -> None:
    with asked("chainfire", tmp_path) as (_server, speaker):
        speaker.say('/v3/maintenance/alarm {"action":"ACTIVATE","alarm":"CORRUPT"}')
        told = speaker.ask("GET", "/health")
        assert (told.status, told.read()) == (503, b'{"health":"false","reason":"ALARM CORRUPT"}\n')
        assert speaker.ask("GET", "/health?exclude=CORRUPT").read() == b'{"health":"true","reason":""}'
        told = speaker.ask("GET", "/readyz")
        assert told.status == 503
        assert told.read().startswith(b"[-]data_corruption failed: alarm activated: CORRUPT\n")
        assert speaker.ask("GET", "/readyz?exclude=data_corruption").read() == b"ok\n"
        assert speaker.ask("GET", "/livez").read() == b"ok\n"


def families(speaker: HttpSpeaker) -> dict[str, dict[tuple[str, ...], float]]:
    """Samples by name and label values."""
    text = speaker.ask("GET", "/metrics").read().decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


ETCD_NAMES = """
etcd_server_has_leader etcd_server_is_leader etcd_server_is_learner etcd_server_leader_changes_seen_total
etcd_server_proposals_committed_total etcd_server_proposals_applied_total etcd_server_proposals_pending
etcd_server_proposals_failed_total etcd_server_quota_backend_bytes etcd_server_id
etcd_server_version etcd_cluster_version etcd_disk_wal_fsync_duration_seconds_bucket
etcd_disk_backend_commit_duration_seconds_bucket etcd_disk_wal_write_bytes_total etcd_mvcc_db_total_size_in_bytes
etcd_mvcc_db_total_size_in_use_in_bytes etcd_mvcc_put_total etcd_mvcc_delete_total etcd_mvcc_txn_total
etcd_mvcc_range_total etcd_debugging_mvcc_keys_total etcd_debugging_mvcc_watch_stream_total
etcd_debugging_mvcc_watcher_total etcd_debugging_mvcc_slow_watcher_total etcd_debugging_mvcc_pending_events_total
etcd_network_client_grpc_received_bytes_total etcd_network_client_grpc_sent_bytes_total grpc_server_handled_total
grpc_server_started_total process_cpu_seconds_total process_resident_memory_bytes process_open_fds process_max_fds
"""


@both
def test_metrics_have_the_names_that_dashboards_made_for_etcd_ask_for(kind: str, tmp_path: Path) -> None:
    with asked(kind, tmp_path) as (_server, speaker):
        # etcd names the cluster's version a moment after it serves.
        wait_until(lambda: "etcd_cluster_version" in families(speaker))
        assert set(ETCD_NAMES.split()) - families(speaker).keys() == set()


def test_metrics_count_what_happened(tmp_path: Path) -> None:
    with asked("chainfire", tmp_path) as (server, speaker), client(server.addresses[0]) as caller:
        caller("KV.Put", rpc_pb2.PutRequest(key=b"k", value=bytes(1000)))
        stream = caller.stream("Watch.Watch", iter([watch(b"k")]))
        next(stream)
        found = families(speaker)
        assert found["etcd_mvcc_put_total"][()] == 1
        assert found["etcd_debugging_mvcc_keys_total"][()] == 1
        assert found["etcd_debugging_mvcc_watcher_total"][()] == 1
        assert found["etcd_server_has_leader"][()] == 1
        assert found["etcd_network_client_grpc_received_bytes_total"][()] > 1000
        assert found["grpc_server_handled_total"]["OK", "Put", "etcdserverpb.KV", "unary"] == 1
        assert found["grpc_server_started_total"]["Watch", "etcdserverpb.Watch", "bidi_stream"] == 1
        assert found["etcd_disk_wal_fsync_duration_seconds_bucket"]["+Inf",] > 0
        stream.cancel()
        wait_until(lambda: families(speaker)["etcd_debugging_mvcc_watcher_total"][()] == 0)


def watch(key: bytes) -> rpc_pb2.WatchRequest:
    return rpc_pb2.WatchRequest(create_request=rpc_pb2.WatchCreateRequest(key=key))


@both
def test_a_watch_streams_lines_of_json_and_ends_with_its_client(kind: str, tmp_path: Path) -> None:
    with asked(kind, tmp_path) as (server, speaker):
        watcher = HttpSpeaker(server.addresses[0])
        lines = watcher.ask("POST", "/v3/watch", '{"create_request":{"key":"Zm9v"}}')
        assert json.loads(lines.readline())["result"]["created"] is True
        speaker.say('/v3/kv/put {"key":"<foo>","value":"<bar>"}')
        [event] = json.loads(lines.readline())["result"]["events"]
        assert (event["kv"]["key"], event["kv"]["value"]) == ("Zm9v", "YmFy")
        assert families(speaker)["etcd_debugging_mvcc_watcher_total"][()] == 1
        watcher.close()
        lines.close()
        wait_until(lambda: families(speaker)["etcd_debugging_mvcc_watcher_total"][()] == 0)


def test_several_watches_may_be_asked_for_in_one_request(speaker: HttpSpeaker) -> None:
    speaker.say('/v3/kv/put {"key":"<a>"}')
    body = '{"create_request":{"key":"YQ==","start_revision":"1"}}\n{"createRequest":{"key":"Yg=="}}'
    lines = speaker.ask("POST", "/v3/watch", body + ' {"progress_request":{}}')
    seen = [json.loads(lines.readline())["result"] for _ in range(4)]
    lines.close()
    assert [each.get("watch_id", "0") for each in seen] == ["0", "1", "0", "-1"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('{"key":"Zm9v"', "delimiter"),
        ("[]", "send an object"),
        ('{"key":123}', "key"),
        ('{"key":"Z!9v"}', "invalid value for bytes field key: 'Z!9v'"),
        ('{"key":"Zm9v","revision":"abc"}', "revision"),
        ('{"key":"Zm9v","revision":"9223372036854775808"}', "revision"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff\xfe", "codec"),
    ],
)
def test_what_is_no_request_is_refused(body: str | bytes, sentence: str, speaker: HttpSpeaker) -> None:
    response = speaker.ask("POST", "/v3/kv/range", body)
    told = json.loads(response.read())
    assert (response.status, told["code"]) == (400, 3)
    assert sentence in told["message"]
    assert told["error"] == told["message"]


def test_large_requests_are_refused_in_etcds_words(speaker: HttpSpeaker) -> None:
    def put(size: int) -> tuple[int, str]:
        body = json.dumps({"key": "YQ==", "value": "A" * (size // 3 * 4)})
        response = speaker.ask("POST", "/v3/kv/put", body)
        return response.status, response.read().decode()

    assert put(1_000_000)[0] == 200
    assert put(1_700_000) == (
        400,
        '{"error":"etcdserver: request is too large","code":3,"message":"etcdserver: request is too large"}',
    )
    status, told = put(2_100_000)
    assert status == 429
    assert "grpc: received message larger than max (2100" in told
    assert put(6_000_000)[0] == 413


def test_a_deadline_of_the_client_holds(speaker: HttpSpeaker) -> None:
    speaker.say('/v3/lock/lock {"name":"<l>"}')
    response = speaker.ask("POST", "/v3/lock/lock", '{"name":"bA=="}', {"grpc-timeout": "200m"})
    assert (response.status, json.loads(response.read())["code"]) == (504, 4)
    assert speaker.ask("POST", "/v3/lock/lock", "{}", {"grpc-timeout": "soon"}).status == 400


def test_pages_of_other_sites_may_not_write(ours: Process, speaker: HttpSpeaker) -> None:
    told = [
        speaker.ask("POST", "/v3/kv/put", '{"key":"YQ=="}', {"origin": origin}).read()
        for origin in ("http://evil.example", "null", f"http://{ours.addresses[0]}")
    ]
    assert [b"other origins" in each for each in told] == [True, True, False]


def test_a_token_of_a_user_comes_in_the_authorization_field(tmp_path: Path) -> None:
    with asked("chainfire", tmp_path) as (_server, speaker):
        for line in (
            '/v3/auth/user/add {"name":"root","password":"secret"}',
            '/v3/auth/role/add {"name":"root"}',
            '/v3/auth/user/grant {"user":"root","role":"root"}',
            "/v3/auth/enable {}",
        ):
            assert speaker.say(line).startswith("200"), line
        assert speaker.say('/v3/kv/put {"key":"<a>"}').startswith("400 3 etcdserver: user name is empty")
        answer = speaker.ask("POST", "/v3/auth/authenticate", '{"name":"root","password":"secret"}')
        token = json.loads(answer.read())["token"]
        for field in ("authorization", "grpc-metadata-token"):
            assert speaker.ask("POST", "/v3/kv/put", '{"key":"YQ=="}', {field: token}).read().startswith(b'{"header"')
        refused = speaker.ask("POST", "/v3/kv/put", '{"key":"YQ=="}', {"authorization": "bad"})
        assert (refused.status, json.loads(refused.read())["message"]) == (401, "etcdserver: invalid auth token")
        assert speaker.ask("GET", "/health").status == 200


def test_the_gateway_is_there_over_http2_too(ours: Process) -> None:
    url = f"http://{ours.addresses[0]}/v3/kv/put"
    shown = ("-w", " %{http_code} %{http_version}", "-H", "content-type: application/json")
    command = ["curl", "-s", "--http2-prior-knowledge", *shown, "-d", '{"key":"YQ=="}', url]
    done = subprocess.run(command, capture_output=True, check=True, timeout=20)
    assert done.stdout.endswith(b"} 200 2")
