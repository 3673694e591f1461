from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.wire.core.messages import PREFIX, Assembler, RefusedMessageError


def framed(message: bytes) -> bytes:
    return PREFIX.pack(0, len(message)) + message


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(1, 60)))
def test_messages_are_the_same_however_their_bytes_are_cut(messages: list[bytes], steps: list[int]) -> None:
    stream = b"".join(framed(message) for message in messages)
    assembler, made = Assembler(40), []
    for step in [*steps, len(stream)]:
        made += assembler.feed(stream[:step])
        stream = stream[step:]
    assert (made, assembler.unfinished_bytes) == (messages, 0)


@given(st.binary(min_size=1, max_size=40), st.integers(1, 44))
def test_what_makes_no_message_yet_is_counted(message: bytes, cut: int) -> None:
    part = framed(message)[:cut]
    assembler = Assembler(40)
    made = assembler.feed(part)
    assert len(part) == assembler.unfinished_bytes + sum(5 + len(each) for each in made)


def test_a_message_over_the_limit_is_refused_by_its_prefix_alone() -> None:
    with pytest.raises(RefusedMessageError, match=r"41 vs\. 40"):
        Assembler(40).feed(PREFIX.pack(0, 41))


def test_a_message_at_the_limit_is_taken() -> None:
    assert Assembler(40).feed(framed(b"x" * 40)) == [b"x" * 40]


def test_a_compressed_message_is_refused_with_what_is_accepted() -> None:
    with pytest.raises(RefusedMessageError) as caught:
        Assembler(40).feed(PREFIX.pack(1, 3))
    assert caught.value.refusal.identity_only
