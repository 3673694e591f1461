"""The state as etcd's database and back. `shell/test_etcd_files.py` asks real etcd and its tools."""

import json

import pytest
from core import databases
from core.stores import StoreSpeaker
from hypothesis import given, settings
from hypothesis import strategies as st

from chainfire.core import etcdfile_reader, etcdfile_writer
from chainfire.core.auth import AuthState, Role, User
from chainfire.core.auth_commands import Permission, PermissionKind
from chainfire.core.bbolt import MalformedDatabaseError
from chainfire.core.bbolt_reader import Database
from chainfire.core.commands import Alarm, DeleteRange, Put, Txn
from chainfire.core.etcdfile import MalformedEtcdFileError
from chainfire.core.membership import Member, Membership
from chainfire.core.snapshot import Restore, head_of
from ultracloud.raft.words import Config, NodeId

VOTERS = Config(voters=frozenset({NodeId(3), NodeId(1 << 63)}), learners=frozenset({NodeId(9)}))
MEMBERS = Membership([Member(3, "a", ("http://a:2380",), ("http://a:2379",)), Member(1 << 63, "", ("http://b:2380",))])

LINES = (
    "grant 7 600",
    "grant 8 600",
    "checkpoint 8 300",
    "put a 1 --lease=7",
    "put b 1",
    "put a 2 --lease=8",
    "del b",
    "compact 3",
    "alarm activate 5 nospace",
)
QUESTIONS = ("get a --from", "get a --from --rev=3", "get a --rev=2", "leases", "checkpoints", "alarm get 0 none")


def speaker() -> StoreSpeaker:
    """A store with something of everything."""
    made = StoreSpeaker()
    for line in LINES:
        made.say(line.split())
    return made


def written(store: StoreSpeaker) -> bytes:
    """A store as an etcd database."""
    machine = store.machine
    return databases.assembled(etcdfile_writer.pieces_of(machine, head_of(machine, 7, 2, 3), VOTERS))


def restored(content: bytes) -> Restore:
    """The state in an etcd database."""
    restore = Restore()
    for frame in etcdfile_reader.frames_of(Database(content)):
        restore.add(frame)
    return restore


def tables(content: bytes) -> dict[bytes, dict[bytes, bytes]]:
    """The buckets of a database."""
    return databases.read(content)


def test_a_state_that_went_through_etcds_file_answers_as_before() -> None:
    before, after = speaker(), StoreSpeaker()
    before.machine.members = MEMBERS
    restore = restored(written(before))
    assert restore.head is not None
    assert (restore.head.index, restore.head.term) == (before.machine.applied_index, 7)
    after.machine = restore.machine
    for question in QUESTIONS:
        assert after.say(question.split()) == before.say(question.split()), question
    assert after.machine.members.all() == MEMBERS.all()
    assert written(after) == written(before)


def test_the_buckets_are_etcds() -> None:
    store = speaker()
    store.machine.members = MEMBERS
    found = tables(written(store))
    assert found[b"meta"][b"confState"] == b'{"voters":[3,9223372036854775808],"learners":[9],"auto_leave":false}'
    assert found[b"meta"][b"finishedCompactRev"] == (3).to_bytes(8, "big") + b"_" + bytes(8)
    assert found[b"lease"][(7).to_bytes(8, "big")] == b"\x08\x07\x10\xd8\x04"
    assert found[b"lease"][(8).to_bytes(8, "big")] == b"\x08\x08\x10\xd8\x04\x18\xac\x02"
    assert found[b"alarm"] == {b"\x08\x05\x10\x01": b""}
    assert found[b"members"][b"3"] == (
        b'{"id":3,"peerURLs":["http://a:2380"],"name":"a","clientURLs":["http://a:2379"]}'
    )
    assert found[b"members"][b"8000000000000000"] == b'{"id":9223372036854775808,"peerURLs":["http://b:2380"]}'
    assert (5).to_bytes(8, "big") + b"_" + bytes(8) + b"t" in found[b"key"]


def test_records_of_one_revision_keep_their_order() -> None:
    store = StoreSpeaker()
    store.apply(Txn((), tuple(Put(b"k%d" % number, b"") for number in range(100)), ()))
    store.apply(Txn((), (DeleteRange(b"k", b"l"),), ()))
    places = [int.from_bytes(at[9:17], "big") for at in tables(written(store))[b"key"]]
    assert places == [*range(100), *range(100)]
    assert written(StoreSpeaker()) != written(store)


def test_a_store_that_nothing_was_written_to_can_be_moved() -> None:
    restore = restored(written(StoreSpeaker()))
    assert (restore.machine.revision, restore.machine.store.compact_revision) == (1, -1)


def rewritten(name: bytes, items: dict[bytes, bytes]) -> bytes:
    """The sample with items in one of its buckets; an empty value removes one."""
    found = tables(written(speaker()))
    bucket = found.setdefault(name, {}) | items
    return databases.written(found | {name: bucket})


def at(main: int, end: bytes = b"") -> bytes:
    """The key of a record."""
    return main.to_bytes(8, "big") + b"_" + bytes(8) + end


def test_what_etcd_leaves_when_it_bumps_the_revision_is_no_key() -> None:
    machine = restored(rewritten(b"key", {at(1000): b""})).machine
    assert machine.revision == 1000
    assert machine.store.keys_live(b"\x00", b"\x00") == [b"a"]


def test_a_compaction_that_was_only_scheduled_counts() -> None:
    machine = restored(rewritten(b"meta", {b"scheduledCompactRev": at(900)})).machine
    assert (machine.revision, machine.store.compact_revision) == (900, 900)


def test_an_old_record_of_a_lease_that_is_gone_has_none() -> None:
    record = b"\x0a\x01z\x10\x63\x18\x63\x20\x01\x30\x4d"
    machine = restored(rewritten(b"key", {at(99): record})).machine
    assert machine.store.get(b"z") == (b"z", 99, 99, 1, b"", 0)


WRONG = {
    "a bbolt file, but not etcd's: it has no keys or no meta": databases.written({b"key": {}}),
    "b'short' is no revision": rewritten(b"key", {b"short": b""}),
    "the record of revision 99 has no key": rewritten(b"key", {at(99): b"\x20\x01"}),
    "the record of revision 99 says that it is of revision 4, version 1, created at 4": rewritten(
        b"key", {at(99): b"\x0a\x01z\x10\x04\x18\x04\x20\x01"}
    ),
    "field 1 goes past the end": rewritten(b"key", {at(99): b"\x0a\x09z"}),
    "a number where bytes belong": rewritten(b"key", {at(99): b"\x08\x01"}),
    "no alarm has the number 9": rewritten(b"alarm", {b"\x08\x05\x10\x09": b""}),
    "the lease below the id 63 says that it is 7": rewritten(b"lease", {(99).to_bytes(8, "big"): b"\x08\x07"}),
    "a user without a name": rewritten(b"authUsers", {b"x": b"\x12\x01x"}),
    "a role without a name": rewritten(b"authRoles", {b"x": b"\x12\x00"}),
    "no permission has the number 7": rewritten(b"authRoles", {b"x": b"\x0a\x01x\x12\x02\x08\x07"}),
    "a member cannot be read: 'id'": rewritten(b"members", {b"3": json.dumps({"name": "x"}).encode()}),
}


@pytest.mark.parametrize("said", WRONG)
def test_what_etcd_never_writes_is_refused(said: str) -> None:
    with pytest.raises(MalformedEtcdFileError) as caught:
        restored(WRONG[said])
    assert str(caught.value) == said


BUCKETS = st.sampled_from([b"key", b"meta", b"lease", b"alarm", b"members", b"auth", b"authUsers", b"authRoles"])
NOISE = st.one_of(st.binary(min_size=1, max_size=20), st.integers(0, 300).map(at), st.just(b"scheduledCompactRev"))


@given(BUCKETS, st.dictionaries(NOISE, st.binary(max_size=40), max_size=4))
@settings(deadline=None)
def test_nothing_in_a_bucket_does_more_than_be_refused(name: bytes, items: dict[bytes, bytes]) -> None:
    try:
        restored(rewritten(name, items))
    except (MalformedEtcdFileError, MalformedDatabaseError) as error:
        assert str(error)  # noqa: PT017 - either outcome is right


def test_alarms_are_restored() -> None:
    assert restored(written(speaker())).machine.alarms == {(5, Alarm.NOSPACE)}


USERS = AuthState(
    is_enabled=True,
    revision=9,
    users=(
        User("root", b"$2b$10$hash", ("root",)),
        User("watcher", b"$2b$10$other", ("a", "b")),
        User("x509", b"", no_password=True),
    ),
    roles=(
        Role(
            "a", (Permission(PermissionKind.READ, b"\x00", b"\x00"), Permission(PermissionKind.READWRITE, b"k", b"l"))
        ),
        Role("b", (Permission(PermissionKind.READ, b""),)),
        Role("root"),
    ),
)


def test_users_and_roles_are_moved() -> None:
    store = StoreSpeaker()
    store.machine.auth.restore(USERS)
    content = written(store)
    assert restored(content).machine.auth.state() == USERS
    found = tables(content)
    assert found[b"auth"] == {b"authEnabled": b"\x01", b"authRevision": (9).to_bytes(8, "big")}
    assert found[b"authUsers"][b"x509"] == b"\x0a\x04x509\x22\x02\x08\x01"
    assert found[b"authRoles"][b"b"] == b"\x0a\x01b\x12\x00"
    assert found[b"authRoles"][b"a"] == b"\x0a\x01a\x12\x06\x12\x01\x00\x1a\x01\x00\x12\x08\x08\x02\x12\x01k\x1a\x01l"
