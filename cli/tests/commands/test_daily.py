"""The verbs that people have in their fingers: what they send, and what they print."""

import base64
import json
from collections.abc import Iterator

import pytest
from clouds import Person
from rehearsed import Asked, Reply, Stage, stage

VM = {
    "metadata": {"name": "web", "id": "vm-1", "generation": 1, "created_at": "2026-01-01T00:00:00Z"},
    "spec": {"vcpus": 2, "memory_mib": 512, "power": "RUNNING"},
    "status": {
        "power": "RUNNING",
        "host": "n1",
        "nics": [{"address": "10.0.1.5"}],
        "conditions": [{"type": "Ready", "status": "TRUE", "reason": "Running", "observed_generation": 1}],
    },
}
IDLE = {**VM, "metadata": {"name": "old", "id": "vm-2"}, "status": {"power": "STOPPED"}}


def plays(asked: Asked) -> Reply:
    match asked.method, asked.path.partition("?")[0].rpartition("/")[2]:
        case "GET", "vms":
            return Reply({"items": [VM, IDLE]})
        case "GET", "web:console":
            text = base64.b64encode(b"login: ").decode()
            return Reply(json.dumps({"text": text}).encode() + b"\n")
        case _:
            return Reply(VM)


@pytest.fixture
def at(uc: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("ULTRACLOUD_TOKEN", "t")
    with stage() as made:
        made.answer = plays
        uc.ok("context", "add", "test", "--server", made.url, "-p", "blue")
        yield made


def test_ps_shows_what_runs_and_all_if_asked(uc: Person, at: Stage) -> None:
    running = uc.ok("ps").out.splitlines()
    assert running[0].split() == ["NAME", "STATE", "ADDRESS", "VCPUS", "MEMORY", "HOST", "AGE"]
    assert running[1].split()[:6] == ["web", "running", "10.0.1.5", "2", "512", "n1"]
    assert len(running) == 2
    assert uc.ok("ps", "-a", "-o", "name").out == "vm/web\nvm/old\n"
    assert uc.ok("ps", "-aq").out == "vm-1\nvm-2\n"


def test_run_makes_a_machine_and_waits(uc: Person, at: Stage) -> None:
    words = ("run", "debian-12", "-n", "web", "-c", "2", "-m", "1G", "--network", "a", "--sg", "ssh", "-l", "tier=web")
    assert uc.ok(*words, "--ssh-key", "ssh-ed25519 AAAA").out == "vm/web runs\n"
    assert json.loads(at.asked[0].body) == {
        "name": "web",
        "labels": {"tier": "web"},
        "spec": {
            "image": "debian-12",
            "vcpus": 2,
            "memory_mib": 1024,
            "nics": [{"subnet": "a", "security_groups": ["ssh"]}],
            "ssh_keys": ["ssh-ed25519 AAAA"],
        },
    }


def test_run_without_a_name_makes_one_of_the_image(uc: Person, at: Stage) -> None:
    uc.ok("run", "Debian_12", "-s", "small", "-d")
    assert json.loads(at.asked[0].body)["name"].startswith("debian-12-")


@pytest.mark.parametrize(
    "words", [("-m", "lots"), ("-c", "0"), ("-s", "small", "--sg", "ssh"), ("-s", "small", "-l", "nope")]
)
def test_a_run_that_cannot_be_is_refused_before_it_is_sent(uc: Person, at: Stage, words: tuple[str, ...]) -> None:
    uc.fails(2, "run", "debian-12", *words)
    assert at.asked == []


@pytest.mark.parametrize("words", [("-o", "jsn"), ("-o", "jsonpath={"), ("--sort-by", "[")])
def test_a_form_that_there_is_not_is_refused_before_anything_is_sent(
    uc: Person, at: Stage, words: tuple[str, ...]
) -> None:
    uc.fails(2, "vpc", "create", "x", "--cidr", "10.0.0.0/16", *words)
    uc.fails(2, "rm", "x", *words)
    uc.fails(2, "ps", *words)
    assert at.asked == []


def test_power_verbs_take_several_names(uc: Person, at: Stage) -> None:
    assert uc.ok("stop", "web", "vm/old", "--force").out == "vm/web is stopping\n" * 2
    assert [asked.path for asked in at.asked] == ["/v1/projects/blue/vms/web:stop", "/v1/projects/blue/vms/old:stop"]
    assert json.loads(at.asked[0].body) == {"force": True}
    assert uc.ok("start", "web", "--wait").out == "vm/web runs\n"


def test_the_noun_has_the_same_verbs(uc: Person, at: Stage) -> None:
    assert uc.ok("vm", "reboot", "web", "--force").out == "vm/web is rebooting\n"
    assert at.asked[0].path == "/v1/projects/blue/vms/web:reboot"


def test_logs_are_the_guests_own_bytes(uc: Person, at: Stage) -> None:
    assert uc.ok("logs", "web").out == "login: "
    assert "no_follow=true" in at.asked[0].path


def test_inspect_prints_yaml_of_anything(uc: Person, at: Stage) -> None:
    assert "name: web\n" in uc.ok("inspect", "web").out
    uc.ok("inspect", "vpc/net1")
    assert at.asked[-1].path == "/v1/projects/blue/vpcs/net1"


def test_a_cloud_without_a_service_lists_the_rest(uc: Person, at: Stage) -> None:
    at.answer = lambda asked: (
        Reply({"items": []}) if "vms" not in asked.path else Reply({"detail": "no plasmavmc"}, 501)
    )
    said = uc.ok("ls")
    assert "warning: vms are not known: no plasmavmc" in said.err


def test_lists_of_what_is_no_resource_are_tables(uc: Person, at: Stage) -> None:
    at.answer = lambda _asked: Reply({"items": [{"id": "s1", "client": "uc on laptop", "is_current": True}]})
    assert "uc on laptop" in uc.ok("session", "list").out
    assert uc.ok("session", "list").out.startswith("ID ")


def test_what_is_said_once_is_shown(uc: Person, at: Stage) -> None:
    made = {"metadata": {"name": "n1", "id": "join-1"}, "token": "ucj_once"}
    at.answer = lambda _asked: Reply(made, 201)
    assert uc.ok("jointoken", "create", "n1", "--identity", "node/n1").out == "jointoken/n1 created\ntoken: ucj_once\n"
    said = uc.ok("jointoken", "create", "n1", "--identity", "node/n1", "-q")
    assert (said.out, said.err) == ("join-1\n", "token: ucj_once\n")


def test_a_personal_token_is_shown_when_it_is_made(uc: Person, at: Stage) -> None:
    at.answer = lambda _asked: Reply({"token": "ucp_once", "personal_token": {"id": "pat-1", "name": "ci"}})
    assert "ucp_once" in uc.ok("personaltoken", "create", "ci").out


def test_a_secret_is_not_taken_from_the_arguments_and_is_shown_as_text(uc: Person, at: Stage) -> None:
    assert "is a secret" in uc.fails(2, "secret", "create", "db", "--value", "hunter2")
    (uc.home / "value").write_text("hunter2\n")
    uc.ok("secret", "create", "db", "--value", f"@{uc.home / 'value'}")
    assert json.loads(at.asked[-1].body)["spec"]["value"] == base64.b64encode(b"hunter2").decode()
    at.answer = lambda _asked: Reply({"value": base64.b64encode(b"hunter2").decode(), "number": 1})
    assert "hunter2\n" in uc.ok("secret", "access", "db").out


def test_what_is_named_by_name_and_kept_by_id_is_so_already(uc: Person, at: Stage) -> None:
    kept = {"metadata": {"name": "a", "id": "subnet-1", "etag": "7"}, "spec": {"vpc": "vpc-1", "cidr": "10.0.0.0/24"}}
    changed = {**kept, "metadata": {**kept["metadata"], "etag": "8"}}
    (uc.home / "a.yaml").write_text('{"kind": "Subnet", "name": "a", "spec": {"vpc": "net", "cidr": "10.0.0.0/24"}}')
    at.follows(Reply(kept), Reply(kept), Reply(kept), Reply(changed))
    assert uc.ok("apply", "-f", str(uc.home / "a.yaml")).out == "subnet/a is so already\n"
    assert json.loads(at.asked[1].body) == {"spec": {"vpc": "net"}}
    assert uc.ok("apply", "-f", str(uc.home / "a.yaml")).out == "subnet/a changed\n"


def test_an_empty_list_says_what_there_is_all_the_same(uc: Person, at: Stage) -> None:
    at.follows(Reply({"items": []}))
    assert uc.ok("role", "list", "--org", "acme").err == (
        "no roles; built in are viewer, developer, operator, admin and owner\n"
    )


def test_a_machine_without_a_size_is_refused_before_anything_is_sent(uc: Person, at: Stage) -> None:
    for words in ((), ("-c", "2"), ("-m", "1G")):
        assert "uc flavour list" in uc.fails(2, "run", "debian", *words)
    assert at.asked == []
