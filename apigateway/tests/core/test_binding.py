"""HTTP requests as requests of RPCs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigateway.core.binding import Binding, MediaTypeError, etag_of, is_known
from apigateway.core.query import decode_segment
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.api.rest.routes import all_routes
from ultracloud.base.faults import InvalidArgumentError

BINDINGS = {route.operation: Binding(route) for route in all_routes()}
JSON = {"content-type": "application/json"}


def bound(operation: str, values: Sequence[str], query: str = "", body: bytes = b"", **headers: str) -> Any:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return BINDINGS[operation].bind(values, query, {**JSON, **fields}, body)[0]


def test_the_path_names_and_the_query_narrows() -> None:
    query = "page_size=5&label_selector[a%2Eb]=c%20d&selector=tier%3Dweb"
    assert bound("vpcs.list", ["blue"], query) == pb.ListRequest(
        project="blue", page_size=5, label_selector={"a.b": "c d"}, selector="tier=web"
    )


def test_a_dash_is_every_project() -> None:
    assert bound("vpcs.list", ["-"]) == pb.ListRequest()
    assert bound("vpcs.get", ["-", "vpc-1"]) == pb.GetRequest(ref="vpc-1")


def test_a_service_that_several_are_is_named_in_the_path() -> None:
    request, asked = BINDINGS["trail.audit"].bind(["iam", "3"], "page_size=1", {}, b"")
    assert (request.lane, request.page_size, asked) == (3, 1, "iam")
    with pytest.raises(InvalidArgumentError, match="accepted: iam, plasmavmc, prismnet"):
        bound("trail.audit", ["flaredb", "3"])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("page_sise=5", "'page_sise' is no field of the query"),
        ("page_size=x", "page_size is 'x'"),
        ("page_size=1&page_size=2", "'page_size' is given twice"),
        ("label_selector=x", "'label_selector' is no field of the query"),
        ("page_size[a]=1", r"'page_size\[a\]' is no field of the query"),
        ("selector=%", "the query has a percent sign"),
        ("selector=%ff", "the query is no UTF-8"),
        ("project=red", "'project' is no field of the query"),
        ("&".join(["selector=a"] * 101), "the query has 101 parameters"),
    ],
)
def test_a_query_that_is_not_understood_is_refused(query: str, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        bound("vpcs.list", ["blue"], query)


@pytest.mark.parametrize("segment", ["a%2fb", "..", "%2e%2e", ".", "a%00", "a%0d%0ab", "a%5cb", "%", "%zz", "%ff"])
def test_a_segment_that_could_be_read_as_a_path_is_refused(segment: str) -> None:
    with pytest.raises(InvalidArgumentError):
        decode_segment(segment)


@given(st.text(st.characters(min_codepoint=0x20, exclude_characters="%/\\\x7f", codec="latin-1"), min_size=1))
def test_a_segment_without_escapes_is_itself_or_refused(segment: str) -> None:
    with suppress(InvalidArgumentError):
        assert decode_segment(segment).encode() in (segment.encode(), segment.encode("latin-1"))


def test_a_patch_changes_what_its_body_names() -> None:
    body = b'{"spec":{"egress_nat":false},"labels":{"tier":null,"a.b/c":"d"}}'
    request = bound("vpcs.update", ["blue", "web"], body=body)
    assert list(request.update_mask) == ["egress_nat", "labels.tier", "labels.a.b/c"]
    assert request.spec == net.VpcSpec()
    assert dict(request.labels) == {"a.b/c": "d"}


def test_null_clears_in_a_patch_and_nowhere_else() -> None:
    assert list(bound("vpcs.update", ["blue", "web"], body=b'{"spec":{"cidr":null}}').update_mask) == ["cidr"]
    with pytest.raises(InvalidArgumentError, match="name is null"):
        bound("vpcs.create", ["blue"], body=b'{"name":null}')


def test_lists_and_maps_of_a_spec_are_replaced_whole() -> None:
    request = bound("projects.update", ["acme", "web"], body=b'{"spec":{"quotas":{"vms":3}}}')
    assert list(request.update_mask) == ["quotas"]
    request = bound("securitygroups.update", ["blue", "web"], body=b'{"spec":{"rules":[{"port_min":1}]}}')
    assert list(request.update_mask) == ["rules"]


def test_a_mask_that_is_given_stands() -> None:
    request = bound("vpcs.update", ["blue", "web"], body=b'{"update_mask":["egress_nat"],"spec":{"cidr":"x"}}')
    assert list(request.update_mask) == ["egress_nat"]


@pytest.mark.parametrize("body", [b"{}", b"", b'{"etag":"3"}', b'{"update_mask":[]}'])
def test_a_patch_that_names_nothing_replaces_nothing(body: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match="names nothing to change"):
        bound("vpcs.update", ["blue", "web"], body=body)


def test_the_place_of_a_resource_stands_in_its_path_only() -> None:
    with pytest.raises(InvalidArgumentError, match="'project' is no field of the body"):
        bound("vpcs.create", ["blue"], body=b'{"name":"web","project":"red"}')
    with pytest.raises(InvalidArgumentError, match="'ref' is no field of the body"):
        bound("vpcs.update", ["blue", "web"], body=b'{"ref":"other"}')


def test_header_fields_stand_for_fields() -> None:
    assert bound("vpcs.create", ["blue"], body=b"{}", idempotency_key="k").idempotency_key == "k"
    assert bound("vpcs.delete", ["blue", "web"], if_match='"7"').etag == "7"
    assert bound("vpcs.delete", ["blue", "web"], if_match="*").etag == ""
    assert bound("vpcs.watch", ["blue"], last_event_id="12").from_version == 12
    with pytest.raises(InvalidArgumentError, match="two things"):
        bound("vpcs.delete", ["blue", "web"], "etag=8", if_match='"7"')
    with pytest.raises(InvalidArgumentError, match="last-event-id is 'x'"):
        bound("vpcs.watch", ["blue"], last_event_id="x")


@pytest.mark.parametrize("header", ['W/"7"', '"7", "8"'])
def test_an_etag_that_never_matches_or_may_be_several_is_refused(header: str) -> None:
    with pytest.raises(InvalidArgumentError):
        etag_of(header)


def test_if_none_match_knows_lists_and_weak_etags() -> None:
    assert is_known('"1", W/"2"', "2")
    assert is_known("*", "2")
    assert not is_known('"1"', "2")


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonp"])
def test_a_body_of_another_type_is_refused(kind: str) -> None:
    with pytest.raises(MediaTypeError):
        bound("vpcs.create", ["blue"], body=b"{}", content_type=kind)


def test_a_compressed_body_is_refused_and_not_read_as_noise() -> None:
    json = "application/json"
    with pytest.raises(MediaTypeError, match="encoded as 'gzip'"):
        bound("vpcs.create", ["blue"], body=b"{}", content_type=json, content_encoding="gzip")
    bound("vpcs.create", ["blue"], body=b"{}", content_type=json, content_encoding="identity")


@pytest.mark.parametrize(
    ("operation", "values", "header"),
    [
        ("vpcs.create", ["blue"], "if_match"),
        ("vms.reboot", ["blue", "web"], "idempotency_key"),
        ("personaltokens.delete", ["pat-1"], "if_match"),
    ],
)
def test_a_guard_that_is_not_there_is_refused_and_not_passed_over(
    operation: str, values: Sequence[str], header: str
) -> None:
    with pytest.raises(InvalidArgumentError, match="guards nothing here"):
        bound(operation, values, **{header: "x"})


def test_a_guard_is_passed_over_where_nothing_is_changed_or_twice_does_no_harm() -> None:
    bound("vpcs.get", ["blue", "web"], if_match="x", idempotency_key="x")
    bound("vpcs.delete", ["blue", "web"], idempotency_key="x")


def test_a_body_where_none_is_taken_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="takes no body"):
        bound("vpcs.get", ["blue", "web"], body=b"{}")
