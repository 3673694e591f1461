"""Handshakes: which talk is chosen, where a token may stand, whose pages may call."""

from __future__ import annotations

import pytest

from apigateway.core.conversing import PROTOCOLS, Offer, Talk, admitted, ending, offer_of, reader_of, writer_of
from apigateway.core.writing import Writers
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ConsoleInput, ConsoleOutput
from ultracloud.api.rest.routes import all_routes
from ultracloud.base.faults import Fault, InvalidArgumentError, NotFoundError, PermissionDeniedError

ROUTES = {route.operation: route for route in all_routes()}
CONSOLE = ROUTES["vms.console"]
OURS = ("https://console.example.org",)


@pytest.mark.parametrize(
    ("names", "offer"),
    [
        ("", Offer(Talk.JSON, "", "")),
        ("ultracloud.json", Offer(Talk.JSON, "ultracloud.json", "")),
        ("other, ultracloud.raw", Offer(Talk.RAW, "ultracloud.raw", "")),
        ("ultracloud.bearer.a.b~c,ultracloud.raw", Offer(Talk.RAW, "ultracloud.raw", "a.b~c")),
    ],
)
def test_the_first_talk_that_is_spoken_is_chosen_and_a_token_is_taken_out(names: str, offer: Offer) -> None:
    assert offer_of(names) == offer


@pytest.mark.parametrize(
    "names", ["chat", "ultracloud.bearer.x", "ultracloud.raw, ultracloud.bearer.x, ultracloud.bearer.y"]
)
def test_what_is_not_spoken_and_two_tokens_are_refused(names: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        offer_of(names)
    assert refused.value.reason == "SUBPROTOCOL_UNKNOWN"


@pytest.mark.parametrize(
    ("origin", "fault"),
    [
        ("", None),
        ("https://console.example.org", None),
        ("https://api.example.org", None),
        ("https://API.example.org", None),
        ("https://evil.example", PermissionDeniedError),
        ("https://api.example.org.evil.example", PermissionDeniedError),
        ("null", PermissionDeniedError),
        ("https://", PermissionDeniedError),
    ],
)
def test_pages_of_the_cloud_itself_and_of_named_origins_may_call(origin: str, fault: type[Fault] | None) -> None:
    headers = {"host": "api.example.org", "authorization": "Bearer t", **({"origin": origin} if origin else {})}
    if fault is None:
        assert admitted(CONSOLE, headers, OURS) == "Bearer t"
    else:
        with pytest.raises(fault):
            admitted(CONSOLE, headers, OURS)


def test_a_token_stands_in_one_place() -> None:
    with_token = {PROTOCOLS: "ultracloud.raw, ultracloud.bearer.t"}
    assert admitted(CONSOLE, with_token, ()) == "Bearer t"
    with pytest.raises(InvalidArgumentError):
        admitted(CONSOLE, {**with_token, "authorization": "Bearer u"}, ())


@pytest.mark.parametrize("operation", ["vms.get", "vms.watch"])
def test_only_what_streams_in_both_directions_is_a_conversation(operation: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is no conversation"):
        admitted(ROUTES[operation], {}, ())


def test_frames_are_json_or_the_bytes_alone() -> None:
    assert reader_of(CONSOLE, Talk.RAW)(b"ls\r") == ConsoleInput(keys=b"ls\r")
    assert reader_of(CONSOLE, Talk.JSON)(b'{"keys": "bHMN"}') == ConsoleInput(keys=b"ls\r")
    write = Writers().of(ConsoleOutput)
    assert writer_of(CONSOLE, Talk.RAW, write)(ConsoleOutput(text=b"\xff")) == b"\xff"
    assert writer_of(CONSOLE, Talk.JSON, write)(ConsoleOutput(text=b"\xff")) == b'{"text":"/w=="}'


@pytest.mark.parametrize("said", [b"{", b'{"ref": "other"}', b'{"kes": "bHMN"}', b"[]", b'{"keys": 1}', b"\xff"])
def test_a_frame_that_says_more_or_less_is_refused(said: bytes) -> None:
    with pytest.raises(InvalidArgumentError):
        reader_of(CONSOLE, Talk.JSON)(said)


def test_what_is_more_than_bytes_is_not_spoken_raw() -> None:
    with pytest.raises(InvalidArgumentError):
        reader_of(ROUTES["vms.create"], Talk.RAW)


def test_a_close_code_is_the_status_above_four_thousand() -> None:
    assert ending(NotFoundError("there is no VM 'x'")) == (4404, "there is no VM 'x'")
