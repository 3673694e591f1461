"""Every RPC has its REST paths, or stands in a list with the reason why not."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from openapi_spec_validator import OpenAPIV31SpecValidator

from ultracloud.api.rest.absent import ABSENT, why_absent
from ultracloud.api.rest.descriptors import descriptor_of, fields_of, is_text
from ultracloud.api.rest.problems import STATUS_OF_CODE, TITLES, problem_type, status_of
from ultracloud.api.rest.routes import MOUNTED, OPEN, all_routes, routes_of, services
from ultracloud.api.rest.templates import Tree
from ultracloud.api.rpc import Method, ServiceDescriptor

RPCS = [(service, rpc) for service in services() for rpc in service.methods]
ROUTES = all_routes()
DOCUMENT: Any = json.loads((Path(__file__).parents[2] / "openapi.json").read_text())


@pytest.mark.parametrize(("service", "rpc"), RPCS, ids=[f"{service.name}.{rpc.name}" for service, rpc in RPCS])
def test_every_rpc_has_a_path_or_a_reason_why_not(service: ServiceDescriptor, rpc: Method) -> None:
    has_path, reason = any(routes_of(service, rpc)), why_absent(f"{service.name}.{rpc.name}")
    assert has_path or reason, "annotate it with google.api.http, or say in ultracloud.api.rest.absent why not"
    assert not (has_path and reason), "it has a path; take its line out of ultracloud.api.rest.absent"


def test_the_list_of_reasons_names_only_what_there_is() -> None:
    names = {f"{service.name}.{rpc.name}" for service, rpc in RPCS}
    assert [each for each in ABSENT if not any(name == each or name.startswith(f"{each}.") for name in names)] == []


def test_what_needs_no_token_exists() -> None:
    assert len(OPEN) == len({route.operation for route in ROUTES if route.is_open})


def test_operations_are_named_once_and_paths_lead_to_one_of_them() -> None:
    tree: Tree[object] = Tree()
    for route in ROUTES:
        tree.add(route.http_method, route.template, route)
    assert len({route.operation for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_every_field_of_a_request_can_be_given_in_one_place(route: Any) -> None:
    body = {field.name for field in route.body_fields()}
    query = {field.name for field in route.query_fields()}
    every = {field.name for field in fields_of(descriptor_of(route.rpc.request_type))}
    assert body | query | set(route.path_fields) | route.hidden == every
    assert not body & query
    assert not (body or route.body) or route.http_method in ("POST", "PATCH", "PUT")


def test_versions_are_text_since_a_double_cannot_hold_them() -> None:
    shown = [(route.rpc.request_type, route.rpc.response_type) for route in ROUTES]
    fields = [field for pair in shown for message in pair for field in fields_of(descriptor_of(message))]
    versions = [field for field in fields if field.type == FieldDescriptor.TYPE_INT64 and "version" in field.name]
    assert [field.full_name for field in versions if not is_text(field)] == []


def test_a_shared_service_is_asked_by_name() -> None:
    shared = [route for route in ROUTES if route.service.name.rpartition(".")[0] in MOUNTED]
    assert shared
    assert all(route.is_mounted for route in shared)


def test_every_code_has_a_status_and_a_title() -> None:
    assert set(STATUS_OF_CODE) == set(TITLES)
    assert len(STATUS_OF_CODE) == 16


def test_a_full_quota_is_no_reason_to_come_back_later() -> None:
    assert (status_of("RESOURCE_EXHAUSTED", ""), status_of("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")) == (429, 409)
    assert problem_type("ABORTED", "ETAG_MISMATCH") == "urn:ultracloud:problem:etag_mismatch"


def test_the_document_is_valid_openapi_3_1() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_the_document_has_every_route_and_nothing_else() -> None:
    said = {each["operationId"] for path in DOCUMENT["paths"].values() for each in path.values()}
    assert said == {route.operation for route in ROUTES}


def test_everything_in_the_document_is_described() -> None:
    operations = [each for path in DOCUMENT["paths"].values() for each in path.values()]
    assert [each["operationId"] for each in operations if not each["summary"]] == []
    said = [(each["operationId"], one["name"]) for each in operations for one in each["parameters"]]
    described = [
        (each["operationId"], one["name"]) for each in operations for one in each["parameters"] if one["description"]
    ]
    assert said == described


def test_no_rpc_of_any_proto_is_missed() -> None:
    # Read from the text: a proto whose stubs nobody made would be missed by all tests above.
    protos = (Path(__file__).parents[2] / "proto").rglob("*.proto")
    rpc = re.compile(r"^\s*rpc (\w+)\s*\(", re.MULTILINE)
    written = Counter(name for proto in protos for name in rpc.findall(proto.read_text()))
    known = Counter(each.name for _, each in RPCS)
    assert known == written
