"""What a guest reads at 169.254.169.254: OpenStack's metadata documents and EC2's tree, as cloud-init asks for them.

Pure: a VM and a path in, a document out. Who asks is known from the network port the question came through, so there is
nothing to authenticate here. Addresses come by DHCP; `network_data.json` says so instead of repeating them.

Source: OpenStack Nova's metadata service (user/metadata.html) and `network_data.json` schema; EC2 "Instance metadata
categories"; cloud-init's DataSourceOpenStack and DataSourceEc2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from plasmavmc.agent.core.definition import uuid_of
from plasmavmc.agent.core.desired import DesiredVm
from plasmavmc.core.variables import USER_DATA

OPENSTACK_VERSIONS = (
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "latest",
)
"""What cloud-init looks for; the documents are the same in all of them, later keys are additions."""
EC2_VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "latest",
)
PATH_LENGTH_MAX = 1024
"""No document has a path near this long."""

NO_SECRETS: Mapping[str, bytes] = {}
Tree = Mapping[str, "str | Tree"]
"""EC2's folders: a leaf is text."""


@dataclass(frozen=True, slots=True)
class Document:
    """An answer: its bytes and what they are."""

    body: bytes
    content_type: str


def is_variable_path(target: str) -> bool:
    """Whether the target of a request is where variables are."""
    return [part for part in target.partition("?")[0].split("/") if part][:2] == ["ultracloud", "variables"]


def answer(vm: DesiredVm, path: str, zone: str, values: Mapping[str, bytes] = NO_SECRETS) -> Document | None:
    """The document at `path` (as in the request line, query and all), None if there is none.

    Args:
        vm: Whose.
        path: Where.
        zone: The availability zone.
        values: What the VM's secrets hold, by `DesiredVm.secrets`.
    """
    if len(path) > PATH_LENGTH_MAX:
        return None
    parts = [part for part in path.partition("?")[0].split("/") if part]
    if parts[:1] == ["openstack"]:
        return _openstack(vm, parts[1:], zone, values)
    if parts[:2] == ["ultracloud", "variables"]:
        return _variables(vm, parts[2:], values)
    if not parts:
        return _listing([*EC2_VERSIONS, "openstack/"])
    return _ec2(vm, parts[1:], zone, values) if parts[0] in EC2_VERSIONS else None


# ---- variables -------------------------------------------------------------------------------------------------------


def _variables(vm: DesiredVm, parts: list[str], values: Mapping[str, bytes]) -> Document | None:
    """Below /ultracloud/variables: each variable as it is, whatever its bytes."""
    variables = _values(vm, values)
    if not parts:
        return _listing(tuple(variables))
    value = variables.get(parts[0]) if len(parts) == 1 else None
    return None if value is None else Document(value, "application/octet-stream")


def _values(vm: DesiredVm, values: Mapping[str, bytes]) -> dict[str, bytes]:
    """Each variable's value, as far as it is known."""
    told = {each.name: values.get(each.name) if each.secret else each.value.encode() for each in vm.variables}
    return {name: value for name, value in told.items() if value is not None}


# ---- OpenStack -------------------------------------------------------------------------------------------------------


def _openstack(vm: DesiredVm, parts: list[str], zone: str, values: Mapping[str, bytes]) -> Document | None:
    """Below /openstack."""
    if not parts:
        return _listing(OPENSTACK_VERSIONS)
    if parts[0] not in OPENSTACK_VERSIONS or len(parts) > 2:  # noqa: PLR2004 - version and document
        return None
    documents = {
        "meta_data.json": _json(meta_data(vm, zone)),
        "network_data.json": _json(network_data(vm)),
        "vendor_data.json": _json({}),
        "vendor_data2.json": _json({}),
    }
    user_data = _user_data(vm, values)
    if user_data is not None:
        documents["user_data"] = user_data
    return _listing(documents) if len(parts) == 1 else documents.get(parts[1])


def meta_data(vm: DesiredVm, zone: str) -> dict[str, object]:
    """OpenStack's `meta_data.json`; in `meta`, where cloud-init's templates read, are variables that are no secrets."""
    return {
        "uuid": str(uuid_of(vm.id)),
        "name": vm.name,
        "hostname": vm.name,
        "project_id": vm.project,
        "availability_zone": zone,
        "launch_index": 0,
        "public_keys": {f"key-{index}": key for index, key in enumerate(vm.ssh_keys)},
        "keys": [{"name": f"key-{index}", "type": "ssh", "data": key} for index, key in enumerate(vm.ssh_keys)],
        "meta": {each.name: each.value for each in vm.variables if not each.secret} | {"ultracloud_id": vm.id},
    }


def network_data(vm: DesiredVm) -> dict[str, object]:
    """OpenStack's `network_data.json`: each interface asks DHCP."""
    known = [nic for nic in vm.nics if nic.is_known]
    return {
        "links": [
            {"id": nic.device, "type": "phy", "ethernet_mac_address": nic.mac, "vif_id": nic.port} for nic in known
        ],
        "networks": [
            {"id": f"network{index}", "type": "ipv4_dhcp", "link": nic.device, "network_id": nic.port}
            for index, nic in enumerate(known)
        ],
        "services": [],
    }


# ---- EC2 -------------------------------------------------------------------------------------------------------------


def _ec2(vm: DesiredVm, parts: list[str], zone: str, values: Mapping[str, bytes]) -> Document | None:
    """Below a version."""
    user_data = _user_data(vm, values)
    if not parts:
        return _listing(["meta-data/", *([] if user_data is None else ["user-data"])])
    if parts[0] == "user-data":
        return user_data if len(parts) == 1 else None
    if parts[0] != "meta-data":
        return None
    node = _walk(_ec2_tree(vm, zone), parts[1:])
    if node is None or isinstance(node, str):
        return None if node is None else _plain(node)
    if parts[1:] == ["public-keys"]:
        # The one listing with another form: index=name.
        return _listing([f"{index}=key-{index}" for index in node])
    return _listing([name if isinstance(child, str) else f"{name}/" for name, child in node.items()])


def _walk(tree: Tree, parts: list[str]) -> str | Tree | None:
    """What stands at `parts`, None if nothing does."""
    node: str | Tree = tree
    for part in parts:
        if isinstance(node, str) or part not in node:
            return None
        node = node[part]
    return node


def _ec2_tree(vm: DesiredVm, zone: str) -> Tree:
    """EC2's `meta-data/`, what of it we know."""
    known = [nic for nic in vm.nics if nic.is_known]
    tree: dict[str, str | Tree] = {
        "ami-launch-index": "0",
        "hostname": vm.name,
        "instance-id": vm.id,
        "local-hostname": vm.name,
        "placement": {"availability-zone": zone},
    }
    if known:
        tree["local-ipv4"] = known[0].address
        tree["mac"] = known[0].mac
        tree["network"] = {
            "interfaces": {
                "macs": {
                    nic.mac: {"device-number": str(index), "local-ipv4s": nic.address, "mac": nic.mac}
                    for index, nic in enumerate(known)
                }
            }
        }
    if vm.ssh_keys:
        tree["public-keys"] = {str(index): {"openssh-key": key} for index, key in enumerate(vm.ssh_keys)}
    return tree


# ---- forms -----------------------------------------------------------------------------------------------------------


def _json(value: object) -> Document:
    return Document(json.dumps(value, sort_keys=True).encode(), "application/json")


def _plain(text: str) -> Document:
    return Document(text.encode(), "text/plain; charset=utf-8")


def _user_data(vm: DesiredVm, values: Mapping[str, bytes]) -> Document | None:
    data = values.get(USER_DATA, b"") if vm.user_data_secret else vm.user_data.encode()
    return Document(data, "application/octet-stream") if data else None


def _listing(names: list[str] | tuple[str, ...] | Mapping[str, Document]) -> Document:
    return _plain("\n".join(names))
