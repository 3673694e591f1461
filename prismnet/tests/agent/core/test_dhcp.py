from __future__ import annotations

import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismnet.agent.core.dhcp.frame import Datagram, checksum, parse_frame, render_frame
from prismnet.agent.core.dhcp.message import (
    MESSAGE_BYTES_MAX,
    Kind,
    MalformedError,
    Message,
    Op,
    Option,
    parse,
    render,
    render_routes,
)
from prismnet.agent.core.dhcp.server import Served, answer, serve
from ultracloud.testkit import golden

sys.path.insert(0, str(Path(__file__).parent))
from dhcp_clients import BINDING, DECLINE, DISCOVER, INFORM, MAC, RELEASE, REQUEST, SERVER_MAC, frame, packet

GOLDEN = Path(__file__).parents[2] / "golden" / "dhcp.txt"
BINDINGS = {MAC: BINDING}
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
macs = st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":"))


def told(served: Served | None) -> str:
    """An answer as a person reads it."""
    if served is None:
        return "silence"
    datagram = parse_frame(served.frame)
    assert datagram is not None
    reply = parse(datagram.payload)
    lines = [f"{served.kind.name} to {datagram.destination} at {datagram.destination_mac}, yours {reply.yiaddr}"]
    lines += [f"  {Option(number).name.lower()} {value.hex()}" for number, value in sorted(reply.options.items())]
    return "\n".join([*lines, "  leased"] if served.leased else lines)


def say(line: str) -> str:
    """`discover`, or `request wanted=10.0.1.5 server=10.0.1.1`."""
    kinds = {"discover": DISCOVER, "request": REQUEST, "decline": DECLINE, "release": RELEASE, "inform": INFORM}
    verb, *words = line.split()
    given_words = dict(word.split("=") for word in words)
    eth = given_words.pop("from", MAC)
    flags: dict[str, object] = {"broadcast": given_words.pop("broadcast", "") == "yes"}
    return told(serve(frame(packet(kinds[verb], **flags, **given_words), mac=eth), BINDINGS, SERVER_MAC))  # type: ignore[arg-type]


def test_a_guest_and_the_server() -> None:
    golden.check_conversation(GOLDEN, say)


@given(st.binary(max_size=MESSAGE_BYTES_MAX + 100))
def test_no_bytes_make_the_server_fall(junk: bytes) -> None:
    serve(junk, BINDINGS, SERVER_MAC)
    for parsed in (frame(junk), frame(packet(DISCOVER, more=junk)), frame(packet(REQUEST)[: len(junk)])):
        serve(parsed, BINDINGS, SERVER_MAC)
        parse_frame(parsed[: len(junk)])


@given(st.integers(0, 399), st.integers(0, 255))
def test_no_flipped_byte_makes_the_server_fall(at: int, value: int) -> None:
    damaged = bytearray(frame(packet(REQUEST, wanted="10.0.1.5", server="10.0.1.1")))
    damaged[at % len(damaged)] = value
    serve(bytes(damaged), BINDINGS, SERVER_MAC)


options = st.dictionaries(
    st.integers(1, 254).filter(lambda number: number != Option.OVERLOAD), st.binary(max_size=300), max_size=3
)


messages = st.builds(
    Message,
    op=st.sampled_from(Op),
    xid=st.integers(0, 2**32 - 1),
    mac=macs,
    broadcast=st.booleans(),
    ciaddr=addresses,
    yiaddr=addresses,
    options=options,
)


@given(messages)
def test_a_rendered_message_is_read_back(message: Message) -> None:
    rendered = render(message)
    assert len(rendered) >= 300
    if len(rendered) <= MESSAGE_BYTES_MAX:
        assert parse(rendered) == message


@given(macs, macs, addresses, addresses, st.integers(0, 65_535), st.binary(max_size=1000))
def test_a_rendered_frame_is_read_back_with_sound_checksums(
    source_mac: str, mac: str, source: IPv4Address, destination: IPv4Address, port: int, payload: bytes
) -> None:
    datagram = Datagram(source_mac, mac, source, destination, 67, port, payload)
    rendered = render_frame(datagram)
    assert parse_frame(rendered) == datagram
    assert checksum(rendered[14:34]) == 0
    pseudo = source.packed + destination.packed + bytes([0, 17]) + len(rendered[34:]).to_bytes(2, "big")
    assert checksum(pseudo + rendered[34:]) == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:13],
        lambda raw: raw[:12] + b"\x86\xdd" + raw[14:],
        lambda raw: raw[:14] + b"\x65" + raw[15:],
        lambda raw: raw[:14] + b"\x44" + raw[15:],
        lambda raw: raw[:16] + b"\xff\xff" + raw[18:],
        lambda raw: raw[:20] + b"\x20\x00" + raw[22:],
        lambda raw: raw[:23] + b"\x06" + raw[24:],
        lambda raw: raw[:38] + b"\x00\x07" + raw[40:],
        lambda raw: raw[:38] + b"\xff\xff" + raw[40:],
    ],
)
def test_what_is_no_whole_datagram_is_not_read(damage: Callable[[bytes], bytes]) -> None:
    assert parse_frame(damage(frame(packet(DISCOVER)))) is None


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        packet(DISCOVER)[:239],
        packet(DISCOVER)[:236] + bytes(4) + packet(DISCOVER)[240:],
        b"\x01\x06" + packet(DISCOVER)[2:],
        b"\x01\x01\x10" + packet(DISCOVER)[3:],
        b"\x07" + packet(DISCOVER)[1:],
        packet(DISCOVER)[:-1] + bytes([12, 200, 65]),
        packet(DISCOVER)[:-1] + bytes([12]),
        packet(DISCOVER) + bytes(MESSAGE_BYTES_MAX),
    ],
)
def test_what_is_no_dhcp_message_is_refused(malformed: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(malformed)


def test_options_may_lie_in_the_fields_of_old() -> None:
    raw = bytearray(packet(DISCOVER, more=bytes([52, 1, 3])))
    raw[44:50] = bytes([12, 3, 97, 98, 99, 255])
    raw[108:115] = bytes([50, 4, 10, 0, 1, 5, 255])
    message = parse(bytes(raw))
    assert message.options[Option.HOSTNAME] == b"abc"
    assert message.address_option(Option.REQUESTED_ADDRESS) == IPv4Address("10.0.1.5")


def test_a_route_has_as_many_octets_as_its_prefix() -> None:
    gateway = IPv4Address("10.0.1.1")
    routes = [(IPv4Network(text), gateway) for text in ("0.0.0.0/0", "10.0.0.0/9", "169.254.169.254/32")]
    assert render_routes(routes).hex() == "000a000101" + "090a000a000101" + "20a9fea9fe0a000101"


def test_a_reply_is_not_answered() -> None:
    reply = Message(Op.REPLY, 1, MAC, options={Option.KIND: bytes([Kind.DISCOVER])})
    assert answer(BINDING, reply) is None
