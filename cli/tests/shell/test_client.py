"""Retries, pages and watches, against a server that fails as it is told."""

import json
from collections.abc import Iterator

import pytest
from clouds import Person
from rehearsed import Reply, Stage, stage

from ultracloud.cli.shell import client

ITEM = {"metadata": {"name": "web", "id": "vpc-1"}, "spec": {"cidr": "10.0.0.0/16"}}
BUSY = Reply({"detail": "not now", "request_id": "r-1"}, 503)


@pytest.fixture
def at(uc: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("ULTRACLOUD_TOKEN", "t")
    monkeypatch.setattr(client, "_jitter", lambda: -0.99)
    with stage() as made:
        uc.ok("context", "add", "test", "--server", made.url, "-p", "blue")
        yield made


def test_a_read_is_sent_again_when_the_server_says_not_now(uc: Person, at: Stage) -> None:
    at.follows(BUSY, BUSY, Reply(ITEM))
    assert "web" in uc.ok("vpc", "get", "web").out
    assert len(at.asked) == 3


def test_a_create_is_sent_again_with_the_same_key_after_a_lost_connection(uc: Person, at: Stage) -> None:
    at.follows(Reply(None), Reply(ITEM, 201))
    uc.ok("vpc", "create", "web", "--cidr", "10.0.0.0/16")
    assert len({asked.headers["idempotency-key"] for asked in at.asked}) == 1
    assert len(at.asked) == 2


def test_a_verb_is_not_sent_again_after_a_lost_connection(uc: Person, at: Stage) -> None:
    at.follows(Reply(None))
    assert "broke" in uc.fails(1, "vm", "start", "web")
    assert len(at.asked) == 1


def test_a_verb_is_sent_again_when_there_were_too_many(uc: Person, at: Stage) -> None:
    at.follows(Reply({}, 429, {"Retry-After": "0"}), Reply(ITEM))
    uc.ok("vm", "start", "web")
    assert len(at.asked) == 2


def test_a_long_retry_after_is_told_and_not_waited_for(uc: Person, at: Stage) -> None:
    at.follows(Reply({"detail": "slow down"}, 429, {"Retry-After": "600"}))
    assert "slow down" in uc.fails(1, "vpc", "get", "web")
    assert len(at.asked) == 1


def test_attempts_are_bounded(uc: Person, at: Stage) -> None:
    at.follows(BUSY)
    assert uc.fails(1, "vpc", "get", "web") == "error: not now\nrequest id: r-1\n"
    assert len(at.asked) == 5


def test_a_gateway_timeout_is_exit_code_6(uc: Person, at: Stage) -> None:
    at.follows(Reply({"detail": "too slow"}, 504))
    uc.fails(6, "vm", "stop", "web")


def test_a_page_that_comes_again_and_again_ends(uc: Person, at: Stage) -> None:
    at.follows(Reply({"items": [ITEM], "next_page_token": "t"}))
    assert "same page" in uc.fails(1, "vpc", "list")


def test_a_watch_goes_on_behind_the_last_version_after_a_loss(uc: Person, at: Stage) -> None:
    first = (
        b'{"type":"PUT","object":{"metadata":{"name":"a","id":"1"}},"version":"7"}\n{"type":"BOOKMARK","version":"8"}\n'
    )
    second = b'{"type":"DELETED","object":{"metadata":{"name":"a","id":"1"}},"version":"9"}\n'
    at.follows(Reply(first), Reply(second), Reply({"detail": "compacted"}, 410))
    said = uc.types("vpc", "list", "--watch", "-o", "json")
    assert said.code == 1
    assert [json.loads(line)["type"] for line in said.out.splitlines()] == ["PUT", "DELETED"]
    assert [asked.path.partition("from_version=")[2] for asked in at.asked] == ["", "8", "9"]


def test_an_answer_that_is_no_json_is_said_so(uc: Person, at: Stage) -> None:
    at.follows(Reply(b"<html>"))
    assert "no JSON" in uc.fails(1, "vpc", "get", "web")


def test_a_redirect_is_followed_nowhere(uc: Person, at: Stage) -> None:
    at.follows(Reply({}, 302, {"Location": "https://evil.example/"}))
    assert "points to" in uc.fails(1, "vpc", "get", "web")


def test_what_a_server_says_cannot_move_the_cursor(uc: Person, at: Stage) -> None:
    at.follows(Reply({"detail": "\x1b[2Jgone"}, 400))
    assert "\x1b" not in uc.fails(1, "vpc", "get", "web")


def test_nobody_at_the_address_says_what_to_do(uc: Person, at: Stage) -> None:
    said = uc.fails(1, "vpc", "get", "web", "-p", "blue", "--server", "http://127.0.0.1:1")
    assert "nothing listens at http://127.0.0.1:1" in said


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [(200, 0), (500, 1), (400, 1), (404, 3), (401, 4), (403, 4), (409, 5), (412, 5), (408, 6), (504, 6)],
)
def test_each_exit_code_means_one_thing(
    uc: Person, at: Stage, monkeypatch: pytest.MonkeyPatch, status: int, exit_code: int
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    at.follows(Reply(ITEM if status == 200 else {"detail": "no"}, status))
    assert uc.types("vpc", "get", "web").code == exit_code
    assert uc.types("vpc", "get", "--web").code == 2
