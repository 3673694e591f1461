"""`flaredb query` and `flaredb why`, run in this process, against a server that is a process."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from command_line import Answer, run

from flaredb.shell.commands import decoding
from flaredb.shell.commands.query import key_of, text_of
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.api.prismnet.v1 import prismnet_pb2
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import connect
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.resources import layout
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process, serve


def config(folder: Path, text: str = "") -> Path:
    path = folder / "flaredb.toml"
    path.write_text(f'state_dir = "{folder / "state"}"\ndrain_s = 0.2\n{text}')
    return path


def tell(process: Process, body: Callable[[KvClient], Awaitable[None]], identity: TlsIdentity | None = None) -> None:
    """Have a client do something."""

    async def main() -> None:
        channel = connect(process.addresses[0], identity, pki.service_identity("flaredb") if identity else "")
        try:
            await body(KvClient(channel))
        finally:
            await channel.close()

    asyncio.run(main())


VPC = prismnet_pb2.Vpc(
    metadata=resource_pb2.Metadata(id="vpc-1", name="prod", project="p-1"),
    spec=prismnet_pb2.VpcSpec(cidr="10.0.0.0/16"),
)
RECORD = resource_pb2.Record(
    kind="Vpc", metadata=VPC.metadata, spec=VPC.spec.SerializeToString(), claims=["10.0.0.0/16"]
).SerializeToString()
PUTS = (
    (b"n/Vpc/p-1/prod", b"vpc-1"),
    (b"r/Vpc/other", RECORD),
    (b"r/Vpc/vpc-1", RECORD),
    (b"raw\x00\xff", b"\x00\x01"),
    (b"text", "größer".encode()),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    async def fill(kv: KvClient) -> None:
        await kv.txn(pb.TxnRequest(namespace="prismnet", writes=[pb.Write(key=k, value=v) for k, v in PUTS]))
        await kv.put(
            pb.PutRequest(namespace="prismnet", key=b"text", value=b"later", expires_at_ms=250_000_000_000_000)
        )

    with serve("flaredb", config(tmp_path_factory.mktemp("flaredb"))) as process:
        tell(process, fill)
        yield process


@pytest.fixture
def query(server: Process) -> Callable[..., Answer]:
    return lambda *words: run("query", "--endpoint", server.addresses[0], "-n", "prismnet", *words)


def test_a_resource_is_shown_with_its_spec(query: Callable[..., Answer]):
    answer = query("--prefix", "r/Vpc/vpc")
    (told,) = answer.lines
    assert (answer.code, told["key"], told["version"]) == (0, "r/Vpc/vpc-1", 2)
    assert told["record"]["spec"] == {"cidr": "10.0.0.0/16"}
    assert told["record"]["status"] == {}
    assert told["record"]["metadata"] == {"id": "vpc-1", "name": "prod", "project": "p-1"}
    assert told["record"]["claims"] == ["10.0.0.0/16"]


def test_what_is_no_record_of_its_key_is_text_or_base64(query: Callable[..., Answer]):
    told = {each.get("key") or each["key_base64"]: each for each in query().lines}
    assert told["n/Vpc/p-1/prod"] == {"key": "n/Vpc/p-1/prod", "version": 2, "text": "vpc-1"}
    assert base64.b64decode(told["r/Vpc/other"]["base64"]) == RECORD
    assert told[base64.b64encode(b"raw\x00\xff").decode()]["base64"] == "AAE="
    assert told["text"] == {"key": "text", "version": 3, "expires_at_ms": 250_000_000_000_000, "text": "later"}


def test_a_range_a_version_and_keys_alone(query: Callable[..., Answer]):
    assert [each.get("key") for each in query("--start", "raw", "--keys-only").lines] == [None, "text"]
    assert [each["key"] for each in query("--end", "r", "--reverse").lines] == ["n/Vpc/p-1/prod"]
    assert query("--at", 2, "--prefix", "t").lines == [{"key": "text", "version": 2, "text": "größer"}]
    assert query("--prefix", r"raw\x00").lines[0]["version"] == 2


def test_a_listing_goes_on_where_it_says(query: Callable[..., Answer]):
    first = query("--limit", 2, "--keys-only")
    assert first.err == r"more keys follow: --start 'r/Vpc/other\x00' --at 3" + "\n"
    rest = query("--start", r"r/Vpc/other\x00", "--at", 3, "--limit", 0, "--keys-only")
    assert [*first.lines, *rest.lines] == query("--keys-only").lines
    assert query("--limit", 4, "--reverse").err == "more keys follow: --end 'r/Vpc/other' --at 3\n"
    assert query("--limit", 5).err == ""


def test_a_table_has_a_line_a_key(query: Callable[..., Answer]):
    lines = query("-o", "table").out.splitlines()
    assert lines[0].split() == ["KEY", "VERSION", "VALUE"]
    assert lines[1].split() == ["n/Vpc/p-1/prod", "2", "vpc-1"]
    assert lines[-1] == f'{"text":48}  {"3":10}  later {{"expires_at_ms": 250000000000000}}'
    assert query("-o", "table", "--keys-only").out.splitlines()[0].split() == ["KEY", "VERSION"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("-n", "prismnet", "--prefix", "a", "--end", "b"), 2, "--prefix and --start or --end exclude each other"),
        (("-n", "prismnet", "--limit", "-1"), 2, "--limit is -1"),
        (("-n", "UPPER"), 1, "namespace 'UPPER' is not a name"),
        (("-n", "prismnet", "--at", "99"), 1, "version 99 is newer than the newest, 3. Read the newest state again"),
        (("-n", "prismnet", "--timeout", "0"), 2, "--timeout is 0; it must be more than 0"),
        (("-n", "prismnet", "--cert", "x"), 2, "--cert, --key and --cacert belong together"),
        (("-n", "prismnet", "--endpoint", "here"), 2, "endpoint 'here' is no address"),
    ],
)
def test_a_wrong_question_is_answered_in_a_sentence(server: Process, words: tuple[str, ...], code: int, says: str):
    answer = run("query", "--endpoint", server.addresses[0], *words)
    assert answer.code == code
    assert says in answer.err


@pytest.mark.parametrize("key", [b"a/b", b"\x00\xff", rb"\x00", "ü ".encode(), b"\\", b"tab\t"])
def test_any_key_can_be_given_as_it_is_told(key: bytes):
    assert key_of(text_of(key)) == key
    assert text_of(key).isprintable()


def test_every_kind_of_every_service_is_known():
    decoded = decoding.value(b"r/Vpc/vpc-1", RECORD)
    assert "record" in decoded
    idempotency = resource_pb2.IdempotencyRecord(id="vpc-1").SerializeToString()
    assert decoding.value(b"i/Vpc/p-1/key", idempotency) == {"record": {"id": "vpc-1"}}
    assert decoding.value(b"i/Vpc/p-1/key", b"\xff") == {"base64": "/w=="}
    assert decoding.value(b"m/Vpc", b"1\nspec.cidr") == {"text": "1\nspec.cidr"}
    unknown = resource_pb2.Record(kind="Later", metadata=resource_pb2.Metadata(id="l-1"), spec=b"\xff")
    told = decoding.value(b"r/Later/l-1", unknown.SerializeToString())["record"]
    assert isinstance(told, dict)
    assert told["spec"] == {"base64": "/w=="}


def test_what_the_kit_keeps_stands_where_it_is_looked_for():
    assert layout.record_key("Vpc", "vpc-1").split(b"/") == [b"r", b"Vpc", b"vpc-1"]
    assert layout.idempotency_key("Vpc", "p-1", "key").split(b"/") == [b"i", b"Vpc", b"p-1", b"key"]


def test_why_has_nothing_to_say_of_a_server_that_is_well(server: Process):
    answer = run("why", "--endpoint", server.addresses[0])
    assert (answer.code, answer.out) == (0, "Writes are accepted, and nothing slows them.\n")
    assert run("why", "--endpoint", server.addresses[0], "-o", "json").lines == [[]]


def test_why_says_that_the_disk_is_full(tmp_path: Path):
    with serve("flaredb", config(tmp_path, "disk_reserve_mib = 1048576\n")) as process:
        answer = run("why", "--endpoint", process.addresses[0])
    assert answer.code == 1
    assert "[refused] The disk has" in answer.out
    assert "writes are refused until there is more.\n    Free space" in answer.out
    assert "A transaction was refused" not in answer.out


def test_why_says_that_nobody_answers(tmp_path: Path):
    answer = run("why", "--endpoint", f"unix:{tmp_path}/nobody.sock", "-o", "json", "--timeout", "1")
    assert answer.code == 1
    assert [each["cause"] for each in answer.lines[0]] == ["WRITE_REFUSED"]


def test_an_operator_asks_over_tls(tmp_path: Path):
    material = TlsMaterial(tmp_path)
    operator, own = material.operator("ann"), material.service("prismnet")
    words = ("--cert", operator.certificate, "--key", operator.key, "--cacert", operator.ca)

    async def fill(kv: KvClient) -> None:
        await kv.put(pb.PutRequest(namespace="prismnet", key=b"a", value=b"1"))

    with serve("flaredb", config(tmp_path, material.toml(material.service("flaredb")))) as process:
        tell(process, fill, own)
        asked = ("--endpoint", process.addresses[0], *words)
        assert run("query", *asked, "-n", "prismnet").lines == [{"key": "a", "version": 2, "text": "1"}]
        assert run("why", *asked).out == "Writes are accepted, and nothing slows them.\n"
        assert run("query", "--config", tmp_path / "flaredb.toml", *asked[:2], "-n", "prismnet").code == 0
        words = ("--cert", own.certificate, "--key", own.key, "--cacert", own.ca)
        denied = run("query", *asked[:2], *words, "-n", "iam")
        assert (denied.code, "may not read from namespace 'iam'" in denied.err) == (1, True)
