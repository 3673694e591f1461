"""Answers by their bytes say what they say by their messages, whatever is kept."""

from __future__ import annotations

from contextlib import suppress

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import ANSWERS, any_message

from apigateway.core.answers import ITEM_BYTES_MAX, Answers, split
from apigateway.core.writing import Writers
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.resource.v1.resource_pb2 import Metadata

WRITERS = Writers()
ANSWERED = Answers(WRITERS, 4000)
LIST = net.ListVpcsResponse
DEEP = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def vpc(number: int, **spec: str) -> net.Vpc:
    return net.Vpc(metadata=Metadata(id=f"vpc-{number}", etag=str(number)), spec=net.VpcSpec(**spec))


@DEEP
@given(st.sampled_from(ANSWERS).flatmap(any_message))
def test_an_answer_by_its_bytes_is_the_one_by_its_message(message: Message) -> None:
    written, octets = WRITERS.of(type(message))(message), message.SerializeToString()
    read = ANSWERED.of(type(message))
    assert read(octets).text == read(octets).text == written


@given(st.lists(st.integers(0, 30), max_size=40), st.text(max_size=5))
def test_a_list_is_what_its_items_are_also_while_some_are_forgotten(numbers: list[int], token: str) -> None:
    items = [vpc(number, cidr="10.0.0.0/16" * (number % 13)) for number in numbers]
    listed = LIST(items=items, next_page_token=token, version=7)
    assert ANSWERED.of(LIST)(listed.SerializeToString()).text == WRITERS.of(LIST)(listed)
    kept = ANSWERED._tables["ultracloud.prismnet.v1.Vpc"]
    for generation in (kept.young, kept.old):
        assert sum(len(octets) + len(one.text) for octets, one in generation.items()) <= 4000 + 1000


@given(st.lists(st.binary(max_size=300), max_size=5), st.binary(max_size=12))
def test_bytes_are_cut_as_protobuf_cuts_them_or_not_at_all(items: list[bytes], noise: bytes) -> None:
    octets = b"".join([b"\x0a" + varint(len(item)) + item for item in items]) + noise
    whole = cut = None
    with suppress(DecodeError):
        whole = WRITERS.of(LIST)(LIST.FromString(octets))
    with suppress(DecodeError):
        cut = Answers(WRITERS).of(LIST)(octets).text
    assert cut == whole


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])


def test_the_etag_and_the_id_of_a_resource_are_told() -> None:
    read = Answers(WRITERS).of(net.Vpc)
    for _ in range(2):
        found = read(vpc(5).SerializeToString())
        assert (found.etag, found.id) == ("5", "vpc-5")


def test_a_large_resource_is_written_and_not_kept() -> None:
    answered, large = Answers(WRITERS), vpc(1, cidr="x" * ITEM_BYTES_MAX)
    assert answered.of(net.Vpc)(large.SerializeToString()).text == WRITERS.of(net.Vpc)(large)
    listed = LIST(items=[vpc(1), large])
    assert answered.of(LIST)(listed.SerializeToString()).text == WRITERS.of(LIST)(listed)
    assert not answered._tables["ultracloud.prismnet.v1.Vpc"].young


@pytest.mark.parametrize("octets", [b"\x0a", b"\x0a\x05abc", b"\x0a\xff\xff\x01", b"\x0a\x80", b"\x0a\x00"])
def test_what_ends_early_or_is_large_is_not_cut(octets: bytes) -> None:
    assert split(octets, 10) is None
