"""Small deciders: retries, spans, tables, conditions, suggestions, curl lines, versions."""

import json
import shlex
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.cli.core import ages, conditions, findings, requests, retries, suggest, tables, versions
from ultracloud.cli.core.conditions import AsWanted
from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.problems import refusal
from ultracloud.cli.core.requests import Request
from ultracloud.cli.core.trees import Json
from ultracloud.cli.shell import index

VM = index.noun("vm")


def wait_s(outcome: retries.Outcome, attempt: int = 1, *, repeatable: bool = True, waited_s: float = 0) -> float | None:
    return retries.next_wait_s(attempt, outcome, repeatable=repeatable, waited_s=waited_s, jitter=1.0)


def test_waits_double_and_end() -> None:
    waits = [wait_s(retries.Outcome(503, sent=True), attempt) for attempt in range(1, 6)]
    assert waits == [0.2, 0.4, 0.8, 1.6, None]


def test_what_may_not_happen_twice_is_sent_again_only_if_it_was_not_sent() -> None:
    assert wait_s(retries.Outcome(0, sent=False), repeatable=False) is not None
    assert wait_s(retries.Outcome(0, sent=True), repeatable=False) is None
    assert wait_s(retries.Outcome(503, sent=True), repeatable=False) is None
    assert wait_s(retries.Outcome(429, sent=True), repeatable=False) is not None


def test_no_request_waits_longer_than_its_budget() -> None:
    assert wait_s(retries.Outcome(503, sent=True, retry_after_s=30), waited_s=31) is None
    assert wait_s(retries.Outcome(503, sent=True, retry_after_s=61)) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1h30m", 5400), ("2d", 172800), ("250ms", 0.25), ("0.5h", 1800)]
)
def test_a_span_is_read(text: str, seconds: float) -> None:
    assert ages.parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5 m", "1y", "9999d", "m", "1" * 40])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(UsageFailure):
        ages.parse_span(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (125, "2m5s"),
        (3599, "59m"),
        (4 * 3600 + 60, "4h1m"),
        (30 * 3600, "30h"),
        (10 * 86400, "10d"),
        (800 * 86400, "2y70d"),
    ],
)
def test_an_age_has_its_two_greatest_units(seconds: int, text: str) -> None:
    assert ages.render_span(seconds) == text


@given(st.integers(min_value=86400, max_value=2**33))
def test_moments_are_what_the_library_says(seconds: int) -> None:
    utc = datetime.fromtimestamp(seconds, UTC)
    assert ages.parse_moment(utc.strftime("%Y-%m-%dT%H:%M:%SZ")) == utc.timestamp()


def test_a_table_is_as_wide_as_it_must_be() -> None:
    assert tables.render(("NAME", "N"), [("東京", "1"), ("a", "22")]) == "NAME   N\n東京   1\na      22\n"


@pytest.mark.parametrize(("word", "meant"), [("lsit", "list"), ("craete", "create"), ("del", "delete"), ("zzzzzz", "")])
def test_the_nearest_word_is_suggested(word: str, meant: str) -> None:
    found = suggest.nearest(word, ["list", "create", "delete", "get"])
    assert (found[0] if found else "") == meant


def test_a_condition_counts_for_the_spec_it_was_decided_on() -> None:
    ready = {"type": "Ready", "status": "TRUE", "observed_generation": "1"}
    resource = {"metadata": {"generation": 2}, "status": {"conditions": [ready]}}
    goal = conditions.parse_goal("condition=ready")
    assert not conditions.reached(goal, resource)
    assert conditions.reached(goal, {**resource, "metadata": {"generation": 1}})


@pytest.mark.parametrize(
    "text", ["jsonpath={.status.power}=RUNNING", "jsonpath=.status.power=RUNNING", "jsonpath={.status.power}"]
)
def test_a_path_may_be_waited_for(text: str) -> None:
    goal = conditions.parse_goal(text)
    assert conditions.reached(goal, {"status": {"power": "RUNNING"}})
    assert not conditions.reached(goal, {"status": {}})


@pytest.mark.parametrize("text", ["", "condition=", "a b", "condition=Ready=maybe"])
def test_what_cannot_be_waited_for_is_refused(text: str) -> None:
    with pytest.raises(UsageFailure):
        conditions.parse_goal(text)


@given(st.text(max_size=40))
def test_a_curl_line_is_one_word_an_argument(text: str) -> None:
    line = requests.curl(Request("POST", "/v1/x", (("q", text),), {"name": text}), "https://h")
    words = shlex.split(line)
    assert words[:4] == ["curl", "-sS", "-X", "POST"]
    assert json.loads(words[-1]) == {"name": text}


@pytest.mark.parametrize("ref", ["", ".", "..", "x" * 600])
def test_a_name_that_would_leave_its_place_is_refused(ref: str) -> None:
    with pytest.raises(UsageFailure):
        requests.make(VM.operations["get"], {"project": "blue", "ref": ref})


def test_a_name_is_one_part_of_the_path() -> None:
    made = requests.make(VM.operations["get"], {"project": "blue", "ref": "a/b:start?x#y z"})
    assert made.path == "/v1/projects/blue/vms/a%2Fb%3Astart%3Fx%23y%20z"


def test_secrets_are_masked_however_deep() -> None:
    assert requests.masked({"a": [{"password": "x", "is_token": True}], "access_token": "y"}) == {
        "a": [{"password": "***", "is_token": True}],
        "access_token": "***",
    }


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "", 1),
        (401, "", 4),
        (403, "", 4),
        (404, "", 3),
        (409, "", 5),
        (412, "", 5),
        (504, "", 6),
        (400, "ABORTED", 5),
        (500, "", 1),
    ],
)
def test_a_refusal_has_its_exit_code(status: int, code: str, exit_code: int) -> None:
    assert refusal(status, "", f'{{"detail": "x", "code": "{code}"}}'.encode(), "").exit_code == exit_code


@given(st.binary(max_size=60))
def test_any_refusal_has_a_sentence(content: bytes) -> None:
    assert refusal(500, "Oops", content, "r").sentence


@pytest.mark.parametrize(
    ("ours", "theirs", "apart"),
    [("1.0.0", "1.1.0", False), ("1.0.0", "1.2.0", True), ("1.0.0", "2.0.0", True), ("x", "1.0", False)],
)
def test_versions_may_be_one_minor_apart(ours: str, theirs: str, apart: bool) -> None:  # noqa: FBT001 - a table's column
    assert bool(versions.skew(ours, theirs)) == apart


def test_the_worst_finding_is_the_exit_code() -> None:
    found = [findings.clock(2.0), findings.certificate(3600.0, 86400.0), findings.clock(-90.0)]
    assert [findings.exit_code(found[:n]) for n in range(4)] == [0, 0, 1, 2]


def machine(wanted: str, power: str, ready: str, *, starts: tuple[int, int] = (1, 1), decided_on: int = 2) -> Json:
    """A VM at its second generation."""
    return {
        "metadata": {"generation": 2},
        "spec": {"power": wanted, "reboot_count": starts[0]},
        "status": {
            "power": power,
            "reboot_count": starts[1],
            "conditions": [{"type": "Ready", "status": ready, "observed_generation": decided_on}],
        },
    }


@pytest.mark.parametrize(
    ("resource", "is_reached"),
    [
        (machine("RUNNING", "RUNNING", "TRUE"), True),
        (machine("RUNNING", "RUNNING", "TRUE", decided_on=1), False),
        (machine("RUNNING", "RUNNING", "TRUE", starts=(2, 1)), False),
        (machine("RUNNING", "STOPPED", "FALSE"), False),
        (machine("STOPPED", "STOPPED", "FALSE"), True),
        (machine("STOPPED", "RUNNING", "TRUE"), False),
        (machine("STOPPED", "STOPPED", "FALSE", decided_on=1), False),
        ({"metadata": {"generation": 1}, "status": {"conditions": [{"type": "Ready", "status": "TRUE"}]}}, True),
    ],
)
def test_as_wanted_is_ready_or_switched_off(resource: Json, is_reached: bool) -> None:  # noqa: FBT001 - a table
    assert conditions.reached(AsWanted(), resource) == is_reached


def test_a_session_that_was_ended_says_how_to_begin_another() -> None:
    said = refusal(403, "", b'{"detail": "revoked", "reason": "SESSION_REVOKED"}', "")
    assert (said.hint, said.exit_code) == ("run `uc login`", 4)


@pytest.mark.parametrize(("text", "cells"), [("web", 3), ("\u30a6\u30a7\u30d6", 6), ("e\u0301", 1), ("\u200bx", 1)])
def test_a_text_takes_the_cells_that_a_terminal_gives_it(text: str, cells: int) -> None:
    assert tables.width(text) == cells
