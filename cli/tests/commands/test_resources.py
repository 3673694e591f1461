"""Networks from a terminal, through the real gateway."""

import json

from clouds import Person


def test_what_is_created_can_be_read_listed_changed_and_deleted(dev: Person) -> None:
    assert dev.ok("vpc", "create", "net1", "--cidr", "10.0.0.0/16", "--label", "tier=web").out == "vpc/net1 created\n"
    assert "10.0.0.0/16" in dev.ok("vpc", "get", "net1").out
    assert dev.ok("vpcs", "ls", "-l", "tier=web", "-o", "name").out == "vpc/net1\n"
    assert dev.ok("vpc", "set", "net1", "egress_nat=true", "labels.tier-").out == "vpc/net1 changed\n"
    found = dev.ok("vpc", "get", "net1", "-o", "json").json
    assert (found["spec"]["egress_nat"], found["metadata"]["labels"]) == (True, {})
    assert dev.ok("vpc", "rm", "net1").out == "vpc/net1 deleted\n"
    assert "error:" in dev.fails(3, "vpc", "get", "net1")


def test_wait_ends_when_it_is_ready(dev: Person) -> None:
    assert dev.ok("vpc", "create", "waits", "--cidr", "10.0.0.0/16", "--wait").out == "vpc/waits created, ready\n"
    assert "Ready" in dev.ok("wait", "vpc/waits", "--for", "condition=Ready").out
    dev.ok("vpc", "rm", "waits", "--wait")


def test_what_never_becomes_ready_is_a_timeout(dev: Person) -> None:
    said = dev.fails(6, "vpc", "create", "stuck", "--cidr", "10.0.0.0/16", "--wait", "--timeout", "0.3s")
    assert "vpc/stuck is not as wanted after" in said


def test_a_taken_name_is_a_conflict(dev: Person) -> None:
    dev.ok("vpc", "create", "taken", "--cidr", "10.0.0.0/16")
    assert "taken" in dev.fails(5, "vpc", "create", "taken", "--cidr", "10.0.0.0/16")


def test_the_same_idempotency_key_makes_one(dev: Person) -> None:
    words = ("vpc", "create", "once", "--cidr", "10.0.0.0/16", "--idempotency-key", "k1", "-o", "id")
    assert dev.ok(*words).out == dev.ok(*words).out


def test_an_old_etag_is_a_conflict(dev: Person) -> None:
    dev.ok("vpc", "create", "raced", "--cidr", "10.0.0.0/16")
    etag = dev.ok("vpc", "get", "raced", "-o", "jsonpath={.metadata.etag}").out
    dev.ok("vpc", "set", "raced", "egress_nat=true")
    dev.fails(5, "vpc", "set", "raced", "egress_nat=false", "--if-match", etag)


def test_the_servers_sentence_hint_and_request_id_are_shown(dev: Person) -> None:
    said = dev.fails(1, "vpc", "create", "empty")
    assert said.startswith("error: cidr is empty\nhint: give a range\nrequest id: ")


def test_another_project_is_denied_or_not_found(dev: Person) -> None:
    assert dev.types("vpc", "list", "-p", "somebody-elses").code in (3, 4)


def test_long_lists_are_read_to_their_end(dev: Person) -> None:
    for number in range(7):
        dev.ok("vpc", "create", f"many-{number}", "--cidr", "10.0.0.0/16", "--label", "set=many")
    assert len(dev.ok("vpc", "list", "-l", "set=many", "-o", "id").out.split()) == 7
    assert len(dev.ok("vpc", "list", "-l", "set=many", "--limit", "3", "-o", "id").out.split()) == 3


def test_lists_sort_as_people_do(dev: Person) -> None:
    for name in ("web-10", "web-9"):
        dev.ok("vpc", "create", name, "--cidr", "10.0.0.0/16", "--label", "set=sorted")
    said = dev.ok("get", "vpcs", "-l", "set=sorted", "--sort-by", ".metadata.name", "-o", "name")
    assert said.out == "vpc/web-9\nvpc/web-10\n"


def test_a_file_and_flags_over_it_make_one_request(dev: Person) -> None:
    (dev.home / "vpc.yaml").write_text("name: filed\nspec:\n  cidr: 10.1.0.0/16\n  egress_nat: true\n")
    said = dev.ok("vpc", "create", "-f", str(dev.home / "vpc.yaml"), "--cidr", "10.2.0.0/16", "-o", "json").json
    assert (said["metadata"]["name"], said["spec"]) == ("filed", {"cidr": "10.2.0.0/16", "egress_nat": True})


def test_what_is_printed_as_yaml_can_be_applied_again(dev: Person) -> None:
    dev.ok("vpc", "create", "yaml", "--cidr", "10.1.0.0/16")
    document = dev.ok("vpc", "get", "yaml", "-o", "yaml").out
    (dev.home / "vpc.yaml").write_text(document)
    assert dev.ok("apply", "-f", str(dev.home)).out == "vpc/yaml is so already\n"
    (dev.home / "vpc.yaml").write_text(document.replace("egress_nat: false", "egress_nat: true"))
    assert dev.ok("apply", "-f", str(dev.home / "vpc.yaml")).out == "vpc/yaml changed\n"


def test_a_whole_list_can_be_applied_again(dev: Person) -> None:
    for name in ("l1", "l2"):
        dev.ok("vpc", "create", name, "--cidr", "10.0.0.0/16", "--label", "set=list")
    (dev.home / "all.json").write_text(dev.ok("vpc", "ls", "-l", "set=list", "-o", "json").out)
    dev.ok("rm", "vpc/l1")
    said = dev.ok("apply", "-f", str(dev.home / "all.json"), "--dry-run").out
    assert said == "vpc/l1 would be created\nvpc/l2 is so already\n"
    assert dev.ok("apply", "-f", str(dev.home / "all.json")).out == "vpc/l1 created\nvpc/l2 is so already\n"


def test_dry_run_sends_nothing(dev: Person) -> None:
    said = dev.ok("vpc", "create", "dry", "--cidr", "10.1.0.0/16", "--dry-run", "-o", "json").json
    assert said["body"] == {"spec": {"cidr": "10.1.0.0/16"}, "name": "dry"}
    dev.fails(3, "vpc", "get", "dry")


def test_curl_prints_a_line_without_the_token(dev: Person) -> None:
    said = dev.ok("vpc", "create", "c", "--cidr", "10.1.0.0/16", "--curl").out
    assert said.startswith("curl -sS -X POST --cacert ")
    assert '-H "Authorization: Bearer $TOKEN"' in said


def test_debug_masks_the_token(dev: Person) -> None:
    token = json.loads((dev.home / "xdg_config_home/ultracloud/credentials/ada.json").read_text())["access_token"]
    said = dev.ok("vpc", "list", "--debug")
    assert "> GET " in said.err
    assert "> Authorization: Bearer ***" in said.err
    assert token not in said.err


def test_events_of_a_resource_are_shown(dev: Person) -> None:
    dev.ok("vpc", "create", "eventful", "--cidr", "10.0.0.0/16", "--wait")
    assert "Made" in dev.ok("vpc", "events", "eventful").out
    assert "cidr: 10.0.0.0/16" in dev.ok("vpc", "describe", "eventful").out


def test_labels_are_set_and_removed(dev: Person) -> None:
    dev.ok("vpc", "create", "labelled", "--cidr", "10.0.0.0/16", "--label", "old=1")
    dev.ok("vpc", "label", "labelled", "tier=db", "old-")
    assert dev.ok("vpc", "get", "labelled", "-o", "json").json["metadata"]["labels"] == {"tier": "db"}


def test_several_are_deleted_at_once_and_absent_ones_may_be_ignored(dev: Person) -> None:
    for name in ("a1", "a2"):
        dev.ok("vpc", "create", name, "--cidr", "10.0.0.0/16")
    assert dev.ok("rm", "vpc/a1", "vpc/a2").out == "vpc/a1 deleted\nvpc/a2 deleted\n"
    assert dev.ok("vpc", "delete", "a1", "--ignore-not-found").out == ""


def test_any_request_can_be_sent(dev: Person) -> None:
    body = json.dumps({"name": "raw", "spec": {"cidr": "10.9.0.0/16"}})
    assert dev.ok("api", "POST", "/v1/projects/blue/vpcs", "-d", body).json["metadata"]["name"] == "raw"
    assert dev.ok("api", "GET", "/v1/projects/blue/vpcs/raw", "-o", "jsonpath={.spec.cidr}").out == "10.9.0.0/16"


def test_a_service_that_this_cloud_has_not_is_said_so(dev: Person) -> None:
    assert "plasmavmc" in dev.fails(1, "vm", "list")
