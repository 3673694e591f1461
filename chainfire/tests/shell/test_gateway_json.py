"""JSON to messages and back, over all inputs."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from chainfire.shell import gateway_json
from ultracloud.api.etcd import rpc_pb2
from ultracloud.base.faults import FAULT_OF_CODE, InvalidArgumentError

FIELDS = ["key", "compare", "success", "request_range", "requestPut", "value", "target", "lease", "range_end"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=8,
)
PUTS = st.builds(rpc_pb2.PutRequest, key=st.binary(), value=st.binary(), lease=st.integers(-(2**63), 2**63 - 1))


@given(PUTS, st.booleans())
def test_a_message_is_the_same_after_json_in_either_case(put: rpc_pb2.PutRequest, snake: bool) -> None:  # noqa: FBT001
    text = json_format.MessageToJson(put, preserving_proto_field_name=snake)
    assert gateway_json.parse(text.encode(), rpc_pb2.PutRequest, many=False) == [put]
    rendered = gateway_json.render(put.SerializeToString(), rpc_pb2.PutRequest)
    assert json_format.Parse(rendered, rpc_pb2.PutRequest()) == put


@given(st.lists(PUTS, max_size=4), st.sampled_from(["", "\n", " \r\n\t"]))
def test_messages_behind_each_other_are_all_read(puts: list[rpc_pb2.PutRequest], between: str) -> None:
    text = between.join(json_format.MessageToJson(put) for put in puts)
    assert gateway_json.parse((between + text + between).encode(), rpc_pb2.PutRequest, many=True) == puts


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_does_more_than_be_refused(body: bytes) -> None:
    with contextlib.suppress(InvalidArgumentError):
        gateway_json.parse(body, rpc_pb2.TxnRequest, many=False)


@given(st.binary(max_size=40))
def test_both_alphabets_of_base64_are_read_with_padding_or_without(octets: bytes) -> None:
    for encoded in (base64.b64encode(octets), base64.urlsafe_b64encode(octets)):
        for text in (encoded.decode(), encoded.decode().rstrip("=")):
            [read] = gateway_json.parse(json.dumps({"key": text}).encode(), rpc_pb2.RangeRequest, many=False)
            assert read == rpc_pb2.RangeRequest(key=octets)


def test_a_row_of_messages_without_end_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="at most 1000"):
        gateway_json.parse(b"{}" * 5000, rpc_pb2.LeaseKeepAliveRequest, many=True)


@pytest.mark.parametrize("code", sorted(FAULT_OF_CODE))
def test_every_code_has_a_status_and_both_forms(code: int) -> None:
    plain = json.loads(gateway_json.refusal(code, 'a "sentence"'))
    assert plain == {"error": 'a "sentence"', "code": code, "message": 'a "sentence"'}
    streamed = json.loads(gateway_json.refusal(code, "s", streams=True))["error"]
    assert (streamed["grpc_code"], streamed["http_code"]) == (code, gateway_json.STATUS_OF_CODE[code])
