"""Watches over the wire, as clients of etcd use them."""

from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from shell.clients import Client, client
from shell.servers import SERVERS, both

from ultracloud.api.etcd import kv_pb2, rpc_pb2

Create = rpc_pb2.WatchCreateRequest


@pytest.fixture
def caller(kind: str, tmp_path: Path) -> Iterator[Client]:
    """A client of the server under test."""
    with SERVERS[kind](tmp_path) as server, client(server.addresses[0]) as made:
        yield made


class Watching:
    """A stream of watches: requests are queued, answers are read when asked for."""

    def __init__(self, caller: Client) -> None:
        self._queue: SimpleQueue[rpc_pb2.WatchRequest | None] = SimpleQueue()
        self._answers = caller.stream("Watch.Watch", iter(self._queue.get, None))

    def create(self, request: rpc_pb2.WatchCreateRequest) -> Any:
        """Make a watch and give the answer to that."""
        self.ask(rpc_pb2.WatchRequest(create_request=request))
        return next(self._answers)

    def ask(self, request: rpc_pb2.WatchRequest) -> None:
        """Send a request."""
        self._queue.put(request)

    def next(self) -> Any:
        """The next answer."""
        return next(self._answers)

    def events(self, count: int) -> list[kv_pb2.Event]:
        """The next `count` changes, over as many answers as they come in."""
        found: list[kv_pb2.Event] = []
        while len(found) < count:
            found += self.next().events
        return found


def put(caller: Client, key: bytes, value: bytes = b"") -> int:
    return int(caller("KV.Put", rpc_pb2.PutRequest(key=key, value=value)).header.revision)


@both
def test_a_watch_tells_what_happens_and_what_was_before(caller: Client) -> None:
    watching = Watching(caller)
    created = watching.create(Create(key=b"a", range_end=b"b", prev_kv=True))
    assert (created.created, created.watch_id, created.header.revision) == (True, 0, 1)
    put(caller, b"a1", b"1")
    put(caller, b"b", b"1")
    put(caller, b"a1", b"2")
    caller("KV.DeleteRange", rpc_pb2.DeleteRangeRequest(key=b"a1"))
    seen = [(e.type, e.kv.key, e.kv.value, e.kv.mod_revision, e.prev_kv.value) for e in watching.events(3)]
    assert seen == [(0, b"a1", b"1", 2, b""), (0, b"a1", b"2", 4, b"1"), (1, b"a1", b"", 5, b"2")]


@both
def test_a_watch_from_the_past_goes_on_into_the_present(caller: Client) -> None:
    for number in range(2000):
        put(caller, b"k%d" % (number % 3), b"%d" % number)
    watching = Watching(caller)
    watching.create(Create(key=b"k", range_end=b"l", start_revision=2))
    put(caller, b"k", b"now")
    assert [event.kv.mod_revision for event in watching.events(2001)] == list(range(2, 2003))


@both
def test_many_watches_share_a_stream_and_each_gets_its_own(caller: Client) -> None:
    watching = Watching(caller)
    for number in range(50):
        assert watching.create(Create(key=b"k%d" % number)).watch_id == number
    for number in range(50):
        put(caller, b"k%d" % number)
    answers = [watching.next() for _ in range(50)]
    assert {answer.watch_id: answer.events[0].kv.key for answer in answers} == {n: b"k%d" % n for n in range(50)}


@both
def test_a_watch_of_compacted_revisions_is_canceled_with_the_oldest_that_is_kept(caller: Client) -> None:
    for _ in range(5):
        put(caller, b"k")
    caller("KV.Compact", rpc_pb2.CompactionRequest(revision=4))
    watching = Watching(caller)
    assert watching.create(Create(key=b"k", start_revision=2)).created
    answer = watching.next()
    assert (answer.canceled, answer.compact_revision, answer.watch_id) == (True, 4, 0)


@both
def test_filters_ids_and_cancelling(caller: Client) -> None:
    watching = Watching(caller)
    assert watching.create(Create(key=b"k", watch_id=9, filters=[Create.NOPUT])).watch_id == 9
    again = watching.create(Create(key=b"k", watch_id=9))
    assert (again.created, again.canceled, again.watch_id) == (True, True, -1)
    assert again.cancel_reason == "mvcc: duplicate watch ID provided on the WatchStream"
    put(caller, b"k")
    caller("KV.DeleteRange", rpc_pb2.DeleteRangeRequest(key=b"k"))
    assert watching.events(1)[0].type == kv_pb2.Event.DELETE
    watching.ask(rpc_pb2.WatchRequest(cancel_request=rpc_pb2.WatchCancelRequest(watch_id=9)))
    answer = watching.next()
    assert (answer.canceled, answer.watch_id) == (True, 9)


@both
def test_progress_is_told_when_asked_for(caller: Client) -> None:
    watching = Watching(caller)
    watching.create(Create(key=b"k"))
    revision = put(caller, b"other")
    watching.ask(rpc_pb2.WatchRequest(progress_request=rpc_pb2.WatchProgressRequest()))
    answer = watching.next()
    assert (answer.watch_id, answer.header.revision, len(answer.events)) == (-1, revision, 0)


@both
def test_large_answers_come_in_parts(caller: Client) -> None:
    for number in range(4):
        put(caller, b"k%d" % number, bytes(1 << 20))
    watching = Watching(caller)
    watching.create(Create(key=b"k", range_end=b"l", start_revision=2, fragment=True))
    answers = []
    while sum(len(answer.events) for answer in answers) < 4:
        answers.append(watching.next())
    assert max(answer.ByteSize() for answer in answers) <= 2 << 20
    assert not answers[-1].fragment


@both
def test_nothing_is_kept_of_a_stream_that_was_ended(caller: Client) -> None:
    for _ in range(20):
        watching = Watching(caller)
        watching.create(Create(key=b"k"))
        watching._answers.cancel()
    watching = Watching(caller)
    watching.create(Create(key=b"k"))
    put(caller, b"k")
    assert len(watching.events(1)) == 1


@pytest.mark.parametrize("kind", ["chainfire"])
def test_a_reader_that_stalls_gets_everything_once_it_reads(caller: Client) -> None:
    watching = Watching(caller)
    watching.create(Create(key=b"k", range_end=b"l"))
    for number in range(200):
        put(caller, b"k%d" % number, bytes(200_000))
    assert [event.kv.mod_revision for event in watching.events(200)] == list(range(2, 202))
