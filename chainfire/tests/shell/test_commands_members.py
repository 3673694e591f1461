"""Commands that ask running members: who they are, how they are, what is wrong, and their upkeep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shell.clients import client
from shell.command_line import run
from shell.servers import chainfire, free_port, wait_until

from ultracloud.api.etcd import rpc_pb2
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process

SOON = ("--timeout", "0.5")
"""For those who do not answer."""
QUOTA = "[storage]\nquota_mib = 1\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A member that is alone."""
    with chainfire(tmp_path_factory.mktemp("alone")) as process:
        yield process


def at(process: Process) -> tuple[str, str]:
    """Where it is."""
    return "--endpoint", process.addresses[0]


def test_members_and_endpoints_are_told_in_both_forms(server: Process) -> None:
    (member,) = run("member", "list", *at(server), "-o", "json").json
    assert (member["name"], member["client_urls"]) == ("chainfire", [f"http://{server.addresses[0]}"])
    (status,) = run("endpoint", "status", *at(server), "-o", "json").json
    assert (status["id"], status["is_leader"], status["errors"]) == (member["id"], True, [])
    table = run("endpoint", "health", *at(server)).out.splitlines()
    assert table[0].split() == ["ENDPOINT", "IS", "HEALTHY", "TOOK", "MS", "ERROR"]
    assert table[1].split()[:2] == [server.addresses[0], "yes"]


def test_an_endpoint_that_is_down_is_told_beside_those_that_are_up(server: Process) -> None:
    down = f"127.0.0.1:{free_port()}"
    answer = run("endpoint", "health", *at(server), "--endpoint", down, "-o", "json", *SOON)
    assert answer.code == 1
    assert [(row["endpoint"], row["is_healthy"]) for row in answer.json] == [(server.addresses[0], True), (down, False)]
    assert "Connect call failed" in answer.json[1]["error"]


def test_a_member_that_is_down_is_passed_over(server: Process) -> None:
    answer = run("member", "list", "--endpoint", f"127.0.0.1:{free_port()},{server.addresses[0]}", "-o", "json", *SOON)
    assert (answer.code, len(answer.json)) == (0, 1)


def test_compaction_forgets_the_past(server: Process) -> None:
    with client(server.addresses[0]) as caller:
        for _ in range(3):
            newest = caller("KV.Put", rpc_pb2.PutRequest(key=b"k")).header.revision
    assert run("compact", newest, *at(server), "-o", "json").json["compact_revision"] == newest
    again = run("compact", newest, *at(server))
    assert (again.code, "required revision has been compacted" in again.err) == (1, True)
    assert run("defrag", *at(server)).code == 0


def test_why_finds_nothing_where_writes_go_on(server: Process) -> None:
    answer = run("why", *at(server))
    assert "[refused]" not in answer.out
    with client(server.addresses[0]) as caller:
        assert not caller("Lease.LeaseLeases", rpc_pb2.LeaseLeasesRequest()).leases


def test_why_says_that_nobody_answers() -> None:
    answer = run("why", "--endpoint", f"127.0.0.1:{free_port()}", "-o", "json", *SOON)
    assert (answer.code, [finding["cause"] for finding in answer.json]) == (1, ["NO_ANSWER"])


def test_a_full_store_is_explained_and_can_be_left(tmp_path: Path) -> None:
    with chainfire(tmp_path, QUOTA) as server, client(server.addresses[0]) as caller:
        for _ in range(6):
            newest = caller("KV.Put", rpc_pb2.PutRequest(key=b"k", value=bytes(200_000))).header.revision
        wait_until(lambda: run("why", *at(server)).code == 1, server)
        answer = run("why", *at(server), "-o", "json")
        assert answer.json[0]["cause"] == "ALARM_QUOTA", answer.out
        assert run("alarm", "list", *at(server), "-o", "json").json[0]["alarm"] == "NOSPACE"
        assert run("endpoint", "health", *at(server)).code == 1
        assert run("compact", newest, "--physical", *at(server)).code == 0
        assert len(run("alarm", "disarm", *at(server), "-o", "json").json) == 1
        assert run("endpoint", "health", *at(server)).code == 0
        caller("KV.Put", rpc_pb2.PutRequest(key=b"k", value=b"1"))


def joining(printed: str) -> str:
    """The configuration that `member add` prints."""
    return "\n".join(line[4:] for line in printed.splitlines() if line.startswith("    ")) + "\n"


def test_a_member_joins_is_promoted_and_leaves(tmp_path: Path) -> None:
    first, second = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    settings = f'name = "a"\n[cluster]\nmembers = ["a={first}"]\n'
    with chainfire(tmp_path / "a", settings) as server:
        added = run("member", "add", "b", "--peer-url", second, "--learner", *at(server))
        assert added.code == 0, added.err
        with chainfire(tmp_path / "b", joining(added.err)) as joined:
            which = added.field["added"]
            wait_until(lambda: run("member", "promote", which, *at(server)).code == 0, joined)
            wait_until(lambda: len(run("member", "list", *at(joined), "-o", "json").json) == 2, joined)
            names = {row["name"]: row["is_learner"] for row in run("member", "list", *at(server), "-o", "json").json}
            assert names == {"a": False, "b": False}
            assert run("why", *at(server), *at(joined)).code in (0, 1)
            removed = run("member", "remove", "b", *at(server), "-o", "json")
            assert removed.json == {"removed": which, "name": "b"}, removed.err
        assert [row["name"] for row in run("member", "list", *at(server), "-o", "json").json] == ["a"]


def test_members_of_too_small_a_cluster_are_not_replaced(server: Process) -> None:
    answer = run("member", "replace", "chainfire", *at(server))
    assert (answer.code, "add the new member first" in answer.err) == (2, True)


def test_an_unknown_member_is_told_who_there_is(server: Process) -> None:
    answer = run("member", "remove", "77", *at(server))
    assert (answer.code, "no member is '77'; there are " in answer.err) == (1, True)


def test_certificates_are_checked_on_both_sides(tmp_path: Path) -> None:
    material = TlsMaterial(tmp_path)
    own, operator = material.service("chainfire"), material.operator()
    tls = ("--cacert", operator.ca, "--cert", operator.certificate, "--key", operator.key)
    with chainfire(tmp_path / "node", material.toml(own)) as process:
        assert run("endpoint", "health", *at(process), *tls).code == 0
        assert run("endpoint", "health", "--endpoint", f"https://{process.addresses[0]}", *tls).code == 0
        assert "[refused]" not in run("why", *at(process), *tls).out
        wrong = run("endpoint", "health", *at(process), *tls, "--server-name", "etcd.example", *SOON)
        assert (wrong.code, "its certificate is not that of etcd.example" in wrong.out) == (1, True)
        assert run("endpoint", "health", *at(process), *SOON).code == 1


USAGE: list[tuple[list[str], str]] = [
    ([], "usage: chainfire"),
    (["snapshot"], "the following arguments are required: COMMAND"),
    (["frobnicate"], "invalid choice: 'frobnicate'"),
    (["endpoint", "health", "--endpoint", "nowhere"], "endpoint 'nowhere' is no address; accepted: host:port"),
    (["endpoint", "health", "--endpoint", "https://h:1"], "endpoint https://h:1 needs --cert, --key and --cacert"),
    (["endpoint", "health", "--cert", "x"], "--cert, --key and --cacert belong together"),
    (["endpoint", "health", "--cert", "x", "--key", "x", "--cacert", "x"], "x is missing or unreadable"),
    (["endpoint", "health", "--timeout", "0"], "--timeout is 0; it must be more than 0"),
    (["member", "add", "b", "--peer-url", "h:1"], "--peer-url h:1 is no URL; accepted: http://host:port"),
]


@pytest.mark.parametrize(("words", "said"), USAGE)
def test_wrong_usage_ends_with_two(words: list[str], said: str) -> None:
    answer = run(*words)
    assert (answer.code, said in answer.err) == (2, True), answer.err
