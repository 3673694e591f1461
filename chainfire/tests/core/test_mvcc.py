"""The store against a dictionary that keeps every revision whole."""

from dataclasses import dataclass, field

from core.snapshots import read, written
from core.stores import StoreSpeaker
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chainfire.core.commands import Compact, DeleteRange, LeaseGrant, LeaseRevoke, Put, Range, Txn
from chainfire.core.keyvalue import NO_LEASE, KeyValue, LeaseId, covers, unpack

KEYS = st.sampled_from([b"a", b"ab", b"b", b"ba", b"c"])
ENDS = st.sampled_from([b"", b"\x00", b"b", b"c"])
VALUES = st.binary(max_size=2)
LEASES = st.sampled_from([LeaseId(0), LeaseId(1), LeaseId(2)])


@dataclass
class Model:
    """All states there ever were, by revision, and the leases."""

    states: dict[int, dict[bytes, KeyValue]] = field(default_factory=lambda: {1: {}})
    revision: int = 1
    compacted: int = -1
    leases: set[LeaseId] = field(default_factory=set)

    @property
    def now(self) -> dict[bytes, KeyValue]:
        return self.states[self.revision]

    def write(self, puts: dict[bytes, tuple[bytes, LeaseId]], deletes: set[bytes]) -> None:
        """One revision, if there is anything to write."""
        gone = deletes & self.now.keys()
        if not puts and not gone:
            return
        revision = self.revision + 1
        state = {key: record for key, record in self.now.items() if key not in gone}
        for key, (value, lease) in puts.items():
            old = state.get(key)
            created, version = (old.create_revision, old.version + 1) if old else (revision, 1)
            state[key] = KeyValue(key, created, revision, version, value, lease)
        self.states[revision] = state
        self.revision = revision


class StoreAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.speaker = StoreSpeaker()
        self.model = Model()

    @property
    def store(self):
        return self.speaker.machine.store

    @rule(key=KEYS, value=VALUES, lease=LEASES)
    def put(self, key: bytes, value: bytes, lease: LeaseId) -> None:
        if lease == NO_LEASE or lease in self.model.leases:
            self.speaker.apply(Put(key, value, lease))
            self.model.write({key: (value, lease)}, set())

    @rule(key=KEYS, end=ENDS)
    def delete(self, key: bytes, end: bytes) -> None:
        self.speaker.apply(DeleteRange(key, end))
        self.model.write({}, {k for k in self.model.now if covers(key, end, k)})

    @rule(keys=st.sets(KEYS), deleted=st.sets(KEYS), value=VALUES)
    def txn(self, keys: set[bytes], deleted: set[bytes], value: bytes) -> None:
        deleted -= keys
        steps = (*(Put(key, value) for key in sorted(keys)), *(DeleteRange(key) for key in sorted(deleted)))
        self.speaker.apply(Txn((), steps, ()))
        self.model.write(dict.fromkeys(keys, (value, NO_LEASE)), deleted)

    @rule(lease=LEASES)
    def grant(self, lease: LeaseId) -> None:
        if lease != NO_LEASE and lease not in self.model.leases:
            self.speaker.apply(LeaseGrant(lease, 60))
            self.model.leases.add(lease)

    @rule(lease=LEASES)
    def revoke(self, lease: LeaseId) -> None:
        if lease in self.model.leases:
            self.speaker.apply(LeaseRevoke(lease))
            self.model.leases.remove(lease)
            self.model.write({}, {k for k, record in self.model.now.items() if record.lease == lease})

    @precondition(lambda self: self.model.compacted < self.model.revision)
    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        revision = data.draw(st.integers(max(self.model.compacted + 1, 1), self.model.revision))
        self.speaker.apply(Compact(revision))
        self.model.compacted = revision

    @rule()
    def sweep(self) -> None:
        for _ in self.store.sweep():
            pass

    @rule()
    def restart_from_a_snapshot(self) -> None:
        self.speaker.machine = read(written(self.speaker.machine)).machine

    @rule(key=KEYS, end=ENDS, data=st.data())
    def read_the_past(self, key: bytes, end: bytes, data: st.DataObject) -> None:
        revision = data.draw(st.integers(max(self.model.compacted, 1), self.model.revision))
        found = self.speaker.machine.range(Range(key, end, revision=revision))
        state = self.model.states[revision]
        assert list(found.kvs) == [state[k] for k in sorted(state) if covers(key, end, k)]
        assert found.count == len(found.kvs)

    @rule(data=st.data())
    def read_history(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(max(self.model.compacted, 2), self.model.revision + 1))
        records = [unpack(record) for record in self.store.history.read(start, 1_000)[0]]
        for revision in range(max(start, self.model.compacted + 1), self.model.revision + 1):
            before, after = self.model.states[revision - 1], self.model.states[revision]
            changed = {record.key: record.version for record in records if record.mod_revision == revision}
            assert changed == {
                key: after[key].version if key in after else 0
                for key in before.keys() | after.keys()
                if before.get(key) != after.get(key)
            }

    @invariant()
    def the_present_is_right(self) -> None:
        now = self.model.now
        found = self.speaker.machine.range(Range(b"\x00", b"\x00"))
        assert (found.revision, list(found.kvs)) == (self.model.revision, [now[key] for key in sorted(now)])
        attached = {key: lease.lease for lease in self.speaker.machine.leases.all() for key in lease.keys}
        assert attached == {key: record.lease for key, record in now.items() if record.lease != NO_LEASE}


StoreAgainstModel.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
test_the_store_keeps_every_revision_like_a_dictionary_of_states = StoreAgainstModel.TestCase
