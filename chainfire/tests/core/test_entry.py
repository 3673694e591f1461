import contextlib

import pytest
from core.commands import COMMANDS
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core.commands import Command, Put
from chainfire.core.entry import MalformedEntryError, decode, encode


@given(COMMANDS)
def test_every_command_survives_the_log(command: Command) -> None:
    assert decode(encode(command)) == command


@given(st.binary(max_size=60))
def test_bytes_that_are_no_command_are_refused(body: bytes) -> None:
    with contextlib.suppress(MalformedEntryError):
        assert decode(body) is not None


@given(COMMANDS, st.data())
def test_a_command_that_was_cut_is_refused(command: Command, data: st.DataObject) -> None:
    body = encode(command)
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(MalformedEntryError):
        decode(body[:cut])


def test_a_command_with_something_after_it_is_refused() -> None:
    with pytest.raises(MalformedEntryError, match="holds"):
        decode(encode(Put(b"k", b"v")) + b"x")
