import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.cli.core import frames
from ultracloud.cli.core.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, Message, Reader, WrongFrameError


def served(kind: int, payload: bytes, *, is_final: bool = True) -> bytes:
    """A frame as a server sends it: without a mask."""
    length = len(payload)
    head = bytes([(0x80 if is_final else 0) | kind])
    if length < 126:
        return head + bytes([length]) + payload
    if length < 65536:
        return head + b"\x7e" + length.to_bytes(2, "big") + payload
    return head + b"\x7f" + length.to_bytes(8, "big") + payload


def test_the_example_of_the_rfc_is_answered() -> None:
    assert frames.accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_masked_example_of_the_rfc_is_made() -> None:
    made = frames.frame(TEXT, b"Hello", bytes.fromhex("37fa213d"))
    assert made == bytes.fromhex("818537fa213d7f9f4d5158")


@given(
    st.binary(max_size=200) | st.sampled_from([125, 126, 65535, 65536]).map(bytes), st.binary(min_size=4, max_size=4)
)
def test_a_mask_is_undone_by_itself(payload: bytes, mask: bytes) -> None:
    made = frames.frame(BINARY, payload, mask)
    body = made[-len(payload) :] if payload else b""
    assert made[1] & 0x80
    assert bytes(octet ^ mask[at % 4] for at, octet in enumerate(body)) == payload


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 7))
def test_messages_come_out_however_the_bytes_come_in(payloads: list[bytes], size: int) -> None:
    whole = b"".join(served(BINARY, payload) for payload in payloads)
    reader = Reader()
    found = [message for at in range(0, len(whole), size) for message in reader.feed(whole[at : at + size])]
    assert found == [Message(BINARY, payload) for payload in payloads]


def test_fragments_are_joined_around_a_ping() -> None:
    parts = [served(BINARY, b"a", is_final=False), served(PING, b"?"), served(CONTINUATION, b"b")]
    assert Reader().feed(b"".join(parts)) == [Message(PING, b"?"), Message(BINARY, b"ab")]


def test_a_close_says_why() -> None:
    assert Message(CLOSE, (4404).to_bytes(2, "big") + b"no vm").closing == (4404, "no vm")
    assert Message(CLOSE, b"").closing == (1005, "")


@pytest.mark.parametrize(
    "data",
    [
        b"\xf0\x00",  # reserved bits
        b"\x83\x00",  # an unknown kind
        b"\x82\x80\x00\x00\x00\x00",  # a mask
        b"\x89\x7e\x00\x80",  # a long ping
        b"\x09\x00",  # a ping in pieces
        b"\x80\x00",  # the end of nothing
        served(BINARY, b"a", is_final=False) + served(BINARY, b"b"),
        b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_what_no_server_sends_is_refused(data: bytes) -> None:
    with pytest.raises(WrongFrameError):
        Reader().feed(data)
