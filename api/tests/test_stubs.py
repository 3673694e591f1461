"""The stubs say what the protos say, and every kind has the one shape the resource kit serves (docs/adr/0007)."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from google.protobuf import descriptor_pool

import ultracloud.api
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest, GetRequest, ListRequest, Metadata, WatchRequest
from ultracloud.api.rpc import Method, ServiceDescriptor

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(ultracloud.api.__path__, "ultracloud.api.")
    if found.name.endswith("_rpc")
)
SERVICES = [
    value
    for module in map(importlib.import_module, MODULES)
    for value in vars(module).values()
    if isinstance(value, ServiceDescriptor)
]
KINDS = [one for one in SERVICES if {"Create", "Watch"} <= {method.name for method in one.methods}]


def method(service: ServiceDescriptor, name: str) -> Method:
    return next(method for method in service.methods if method.name == name)


SHOWN_ONCE = {"AccessKeys": [(4, "secret_access_key")], "JoinTokens": [(4, "token"), (5, "qr")]}
"""What only the answer to Create has, and nothing that is stored."""


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_rpc_of_the_proto_is_in_the_stub_with_its_types(service: ServiceDescriptor) -> None:
    proto = descriptor_pool.Default().FindServiceByName(service.name)
    assert [one.name for one in service.methods] == [one.name for one in proto.methods]
    for stub, rpc in zip(service.methods, proto.methods, strict=True):
        assert stub.path == f"/{service.name}/{rpc.name}"
        assert stub.request_type.DESCRIPTOR is rpc.input_type
        assert stub.response_type.DESCRIPTOR is rpc.output_type
        assert (stub.client_streaming, stub.server_streaming) == (rpc.client_streaming, rpc.server_streaming)


def test_the_kinds_are_those_of_three_services_and_of_the_kit() -> None:
    assert {one.name.split(".")[1] for one in KINDS} == {"iam", "prismnet", "plasmavmc", "operations"}
    assert len(KINDS) >= 12


@pytest.mark.parametrize("service", KINDS, ids=lambda service: service.name)
def test_a_kind_has_the_one_shape(service: ServiceDescriptor) -> None:
    kind = method(service, "Get").response_type.DESCRIPTOR
    fields = [(field.number, field.name) for field in kind.fields]
    assert fields[:3] == [(1, "metadata"), (2, "spec"), (3, "status")]
    assert fields[3:] == SHOWN_ONCE.get(service.name.rpartition(".")[2], [])
    assert kind.fields_by_name["metadata"].message_type is Metadata.DESCRIPTOR
    conditions = kind.fields_by_name["status"].message_type.fields_by_name["conditions"]
    assert (conditions.number, conditions.message_type.name) == (1, "Condition")
    create = method(service, "Create").request_type.DESCRIPTOR
    names = ["project", "name", "labels", "spec", "idempotency_key"]
    assert [field.name for field in create.fields][:5] == names
    shared = {"Get": GetRequest, "List": ListRequest, "Delete": DeleteRequest, "Watch": WatchRequest}
    assert {name: method(service, name).request_type for name in shared} == shared
    event = method(service, "Watch").response_type.DESCRIPTOR
    assert [field.name for field in event.fields] == ["type", "object", "version"]


@pytest.mark.parametrize("service", KINDS, ids=lambda service: service.name)
def test_an_update_names_what_it_changes(service: ServiceDescriptor) -> None:
    update = method(service, "Update").request_type.DESCRIPTOR
    assert [field.name for field in update.fields] == ["project", "ref", "etag", "update_mask", "spec", "labels"]
