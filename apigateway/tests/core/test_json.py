"""Messages as JSON and back, over all messages there are."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import ANSWERS, REQUESTS, any_message

from apigateway.core.reading import parse, read
from apigateway.core.writing import Writers
from ultracloud.api.iam.v1 import iam_pb2 as iam
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as compute
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.base.faults import InvalidArgumentError

WRITERS = Writers()
DEEP = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@DEEP
@given(st.sampled_from(REQUESTS).flatmap(any_message))
def test_what_is_written_is_read_as_it_was(message: Message) -> None:
    text = WRITERS.of(type(message))(message)
    again = type(message)()
    read(parse(text.encode()), again)
    assert again == message


@DEEP
@given(st.sampled_from(ANSWERS).flatmap(any_message))
def test_it_is_protobufs_own_json_but_for_numbers_and_names(message: Message) -> None:
    ours = json.loads(WRITERS.of(type(message))(message))
    theirs = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    assert as_text(ours) == as_text(theirs)


def as_text(value: Any) -> Any:
    """64-bit numbers are text in protobuf's JSON and numbers in ours."""
    if isinstance(value, dict):
        return {key: as_text(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_text(each) for each in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_a_number_of_a_newer_service_is_written_as_it_is() -> None:
    vm = compute.Vm.FromString(compute.Vm(spec=compute.VmSpec(vcpus=1)).SerializeToString() + b"\x12\x02\x48\x07")
    assert json.loads(WRITERS.of(compute.Vm)(vm))["spec"]["power"] == 7


def refusal(message: Message, body: bytes, **options: Any) -> InvalidArgumentError:
    with pytest.raises(InvalidArgumentError) as refused:
        read(parse(body), message, **options)
    return refused.value


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"spec":{"cdr":"x"}}', "'spec.cdr' is no field of spec"),
        (b'{"spec":{"cidr":1}}', "spec.cidr is 1; accepted: text"),
        (b'{"spec":{"egress_nat":"yes"}}', "spec.egress_nat is 'yes'; accepted: true or false"),
        (b'{"spec":null}', "spec is null; accepted: leave it out to not set it"),
        (b'{"spec":[]}', "spec. is an array; accepted: an object"),
        (b'{"labels":{"a":1}}', "labels.a is 1; accepted: text"),
        (b'{"labels":[]}', "labels is an array; accepted: an object"),
        (b'{"name":"a","name":"b"}', "'name' stands twice in one object"),
        (b'{"name":"\\ud800"}', "name has half of a surrogate pair; accepted: Unicode text"),
        (b"[]", "the body is an array; accepted: an object"),
        (b'"x"', "the body is text; accepted: an object"),
        (b"{", "the body is not valid JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        (b'{"name":NaN}', "the body is not valid JSON: NaN is no number of it"),
        (b"\xff\xfe", "the body is no UTF-8"),
        (b"[" * 100_000, "the body is not valid JSON: no JSON"),
        (b'{"x":' + b"9" * 5000 + b"}", "the body is not valid JSON: no JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_with_where_and_why(body: bytes, says: str) -> None:
    assert refusal(net.CreateVpcRequest(), body).public.startswith(says)


def test_an_unknown_field_is_told_the_nearest_one() -> None:
    refused = refusal(net.CreateVpcRequest(), b'{"spec":{"egressNat":true}}')
    assert (refused.hint, refused.reason) == ("did you mean egress_nat?", "FIELD_UNKNOWN")


@pytest.mark.parametrize("value", ["-1", "4294967296", "1.5", "true", '"x"', "1e99", "null"])
def test_a_number_that_does_not_fit_is_refused(value: str) -> None:
    body = f'{{"spec":{{"vcpus":{value}}}}}'.encode()
    assert refusal(compute.CreateVmRequest(), body).public.startswith("spec.vcpus is ")


@pytest.mark.parametrize("value", ["2", "2.0", '"2"'])
def test_a_number_may_be_written_in_three_ways(value: str) -> None:
    message = compute.CreateVmRequest()
    read(parse(f'{{"spec":{{"vcpus":{value}}}}}'.encode()), message)
    assert message.spec.vcpus == 2


def test_an_enum_is_named() -> None:
    assert refusal(compute.CreateVmRequest(), b'{"spec":{"power":1}}').public == (
        "spec.power is 1; accepted: one of POWER_STATE_UNSPECIFIED, RUNNING, STOPPED"
    )


@given(st.binary(max_size=200))
def test_no_body_breaks_the_reading(body: bytes) -> None:
    with suppress(InvalidArgumentError):
        read(parse(body), iam.CreateProjectRequest())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda each: (
            st.lists(each, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "spec", "labels", "nics", "subnet", "vcpus", "power", "ssh_keys", "x"]),
                each,
                max_size=4,
            )
        ),
    )
)
def test_no_value_breaks_the_reading(value: Any) -> None:
    with suppress(InvalidArgumentError):
        read(parse(json.dumps(value).encode()), compute.CreateVmRequest())
