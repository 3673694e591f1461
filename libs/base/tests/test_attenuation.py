"""Chains of narrowings: what holders may make of a token, and everything they may not."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultracloud.base.attenuation import (
    BLOCKS_MAX,
    Chain,
    confirmation,
    decoded,
    encoded,
    joined,
    narrow,
    split,
    walk,
)
from ultracloud.base.ed25519 import Ed25519
from ultracloud.base.faults import InvalidArgumentError, UnauthenticatedError
from ultracloud.base.narrowing import Narrowing

REAL = Ed25519()
FIRST = bytes(32)
CLAIMS = {"cnf": confirmation(REAL.public_of(FIRST))}
WHOLE = joined("h.p.s", Chain((), FIRST))
READ = Narrowing(permissions=frozenset({"*.*.get"}))
BLUE = Narrowing("projects/blue")


def key(number: int) -> bytes:
    return bytes([number]) * 32


def narrowed(token: str, *steps: Narrowing) -> str:
    for number, step in enumerate(steps, 1):
        token = narrow(token, step, None, key(number), REAL)
    return token


def walked(token: str) -> tuple[Narrowing, ...]:
    return walk(CLAIMS, split(token)[1], REAL).narrowings


def refusal(token: str) -> str:
    with pytest.raises(UnauthenticatedError) as refused:
        walked(token)
    return refused.value.reason


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from([READ, BLUE, Narrowing()]), st.none() | st.integers(0, 9)), max_size=5))
def test_each_step_adds_a_narrowing_and_the_earliest_end_holds(steps: list[tuple[Narrowing, int | None]]):
    token = WHOLE
    for number, (step, ends) in enumerate(steps, 1):
        token = narrow(token, step, ends, key(number), REAL)
    found = walk(CLAIMS, split(token)[1], REAL)
    assert found.narrowings == tuple(step for step, _ in steps)
    assert found.expires_at_s == min((ends for _, ends in steps if ends is not None), default=None)


@settings(max_examples=25)
@given(st.permutations(range(3)), st.lists(st.integers(0, 2), max_size=3))
def test_blocks_hold_only_all_and_in_their_order(order: list[int], kept: list[int]):
    jwt, *blocks, secret = narrowed(WHOLE, READ, BLUE, READ).split("~")
    chosen = [blocks[index] for index in (kept or order)]
    token = "~".join([jwt, *chosen, secret])
    if chosen == blocks:
        assert walked(token) == (READ, BLUE, READ)
    else:
        assert refusal(token) == "TOKEN_FORGED"


def test_a_holder_cannot_take_a_block_away_nor_add_what_the_chain_does_not_lead_to():
    jwt, first, second, secret = narrowed(WHOLE, READ, BLUE).split("~")
    own = narrowed(joined("h.p.s", Chain((), key(77))), Narrowing()).split("~")
    assert refusal(f"{jwt}~{secret}") == "TOKEN_FORGED"
    assert refusal(f"{jwt}~{first}~{secret}") == "TOKEN_FORGED"
    assert refusal(f"{jwt}~{second}~{secret}") == "TOKEN_FORGED"
    assert refusal("~".join([jwt, own[1], own[2]])) == "TOKEN_FORGED"
    assert refusal("~".join([jwt, first, second, own[1], own[2]])) == "TOKEN_FORGED"
    assert refusal("~".join([jwt, encoded(key(77))])) == "TOKEN_FORGED"


def test_a_token_that_says_it_has_a_chain_is_refused_without():
    with pytest.raises(UnauthenticatedError, match="a part of it is missing"):
        walk(CLAIMS, None, REAL)
    with pytest.raises(UnauthenticatedError, match="a part of it is missing"):
        walk({}, split(WHOLE)[1], REAL)
    assert walk({}, None, REAL).narrowings == ()


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_a_changed_character_is_never_let_through_as_something_else(position: int, character: str):
    token = narrowed(WHOLE, READ, BLUE)
    start = token.index("~") + 1
    position = start + position % (len(token) - start)
    changed = token[:position] + character + token[position + 1 :]
    try:
        assert walk(CLAIMS, split(changed)[1], REAL).narrowings == (READ, BLUE)
        assert changed == token
    except UnauthenticatedError:
        assert changed != token


@given(st.text(max_size=300), st.text(max_size=60))
def test_garbage_is_refused_and_nothing_else(body: str, tail: str):
    with pytest.raises(UnauthenticatedError):
        walked(f"h.p.s~{body}~{tail}")


@pytest.mark.parametrize(
    "said",
    [
        {"next": encoded(FIRST), "more": 1},
        {"next": encoded(FIRST), "ops": []},
        {"next": encoded(FIRST), "ops": "*"},
        {"next": encoded(FIRST), "exp": 1.5},
        {"next": encoded(FIRST), "exp": True},
        {"next": encoded(FIRST[:31])},
        {"res": "projects/blue"},
        ["next"],
    ],
)
def test_a_block_that_is_not_understood_whole_is_refused(said: object):
    header = narrowed(WHOLE, READ).split("~")[1].partition(".")[0]
    message = f"{header}.{encoded(json.dumps(said).encode())}"
    block = f"{message}.{encoded(REAL.sign(FIRST, message.encode()))}"
    assert refusal(f"h.p.s~{block}~{encoded(FIRST)}") == "TOKEN_MALFORMED"


def test_a_block_with_another_header_is_refused():
    body = narrowed(WHOLE, READ).split("~")[1].split(".")[1]
    header = encoded(b'{"alg":"none"}')
    message = f"{header}.{body}"
    block = f"{message}.{encoded(REAL.sign(FIRST, message.encode()))}"
    assert refusal(f"h.p.s~{block}~{encoded(key(1))}") == "TOKEN_MALFORMED"


def test_a_token_is_narrowed_so_often_and_no_more():
    token = narrowed(WHOLE, *[READ] * BLOCKS_MAX)
    assert len(token) < 4096
    with pytest.raises(InvalidArgumentError, match="has been narrowed 8 times"):
        narrow(token, READ, None, key(99), REAL)
    jwt, *rest = token.split("~")
    assert refusal("~".join([jwt, rest[0], *rest])) == "TOKEN_MALFORMED"


def test_a_plain_token_cannot_be_narrowed():
    with pytest.raises(InvalidArgumentError, match="is not attenuable; log in for a new one"):
        narrow("h.p.s", READ, None, key(1), REAL)


@given(st.binary(max_size=80))
def test_bytes_have_one_spelling(raw: bytes):
    assert decoded(encoded(raw)) == raw
