"""The documents a guest reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_host import direct_vm, nic

from plasmavmc.agent.core.desired import Variable
from plasmavmc.agent.core.metadata import EC2_VERSIONS, OPENSTACK_VERSIONS, answer
from ultracloud.testkit import golden

GOLDEN = Path(__file__).parents[2] / "golden" / "metadata.txt"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me"
VM = direct_vm(
    name="web",
    ssh_keys=(KEY, KEY.replace(" me", " you")),
    user_data="echo hello\n",
    nics=(nic("tapa"), nic("tapb", "52:54:00:00:00:02")),
)
BARE = direct_vm(name="bare")
VARIABLES = (Variable("MODE", "fast"), Variable("PASSWORD", "", "secret-1@0"), Variable("KEY", "", "secret-2@3"))
SECRETS = {"": b"#cloud-config", "PASSWORD": b"open sesame", "KEY": b"\xff"}
SECRETIVE = direct_vm(user_data_secret="secret-3@0", variables=VARIABLES)


def text_at(path: str, bare: str = "") -> str:
    document = answer(BARE if bare else VM, path, "zone-1")
    if document is None:
        return "404"
    if document.content_type == "application/json":
        return json.dumps(json.loads(document.body), indent=2)
    return document.body.decode()


def test_documents_are_as_cloud_init_reads_them() -> None:
    golden.check_conversation(GOLDEN, lambda line: text_at(*line.split()))


@pytest.mark.parametrize("version", OPENSTACK_VERSIONS)
def test_every_openstack_version_has_the_same_documents(version: str) -> None:
    assert text_at(f"/openstack/{version}/meta_data.json") == text_at("/openstack/latest/meta_data.json")


@pytest.mark.parametrize("version", EC2_VERSIONS)
def test_every_ec2_version_has_the_same_tree(version: str) -> None:
    assert text_at(f"/{version}/meta-data/instance-id") == VM.id


@given(st.text())
def test_any_path_has_an_answer_or_none(path: str) -> None:
    answer(VM, path, "zone")


@given(st.lists(st.sampled_from(["", "..", ".", "latest", "meta-data", "openstack", "user-data", "public-keys", "0"])))
def test_listings_name_only_what_is_there(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    document = answer(VM, path, "zone")
    is_listing = document is not None and path.rstrip("/").endswith("meta-data")
    if is_listing and document is not None:
        for name in document.body.decode().splitlines():
            assert answer(VM, f"{path}/{name}", "zone") is not None


def test_documents_hold_any_name_and_key() -> None:
    vm = direct_vm(name='a"\n\u2603', ssh_keys=('x" }',))
    document = answer(vm, "/openstack/latest/meta_data.json", "z")
    assert document is not None
    assert json.loads(document.body)["public_keys"] == {"key-0": 'x" }'}


def test_variables_that_are_no_secrets_are_in_meta_and_each_variable_is_a_document() -> None:
    meta = answer(SECRETIVE, "/openstack/latest/meta_data.json", "zone-1", SECRETS)
    assert meta is not None
    assert json.loads(meta.body)["meta"] == {"MODE": "fast", "ultracloud_id": SECRETIVE.id}
    listing = answer(SECRETIVE, "/ultracloud/variables/", "zone-1", SECRETS)
    assert listing is not None
    assert listing.body == b"MODE\nPASSWORD\nKEY"
    key = answer(SECRETIVE, "/ultracloud/variables/KEY", "zone-1", SECRETS)
    assert key is not None
    assert key.body == b"\xff"
    assert answer(SECRETIVE, "/ultracloud/variables/OTHER", "zone-1", SECRETS) is None


@pytest.mark.parametrize("path", ["/latest/user-data", "/openstack/latest/user_data"])
def test_user_data_that_is_a_secret_is_read_where_all_user_data_is(path: str) -> None:
    told = answer(SECRETIVE, path, "zone-1", SECRETS)
    assert told is not None
    assert told.body == b"#cloud-config"
    assert answer(SECRETIVE, path, "zone-1") is None
