import asyncio
import itertools
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from pathlib import Path

import jwt
import pytest

from iam.core.keyring import AHEAD_MS, LINGER_MS
from iam.errors import RootKeyError
from iam.shell.root_key import create_root_key
from iam.testing import Clients, RunningIam, refusal_of, running_iam
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.base.faults import UnavailableError
from ultracloud.base.tokens import TTL_S_MAX
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.policy import open_copy
from ultracloud.servicekit.store import Changes, Committed, Conflict, Entry, MemoryStore, Reading, Store
from ultracloud.servicekit.store.interface import PAGE_DEFAULT
from ultracloud.servicekit.streams import closing
from ultracloud.servicekit.testing import SetClock

BOB = "spiffe://ultracloud.local/operator/bob"
PRISMNET = "spiffe://ultracloud.local/service/prismnet"
DAY_MS = 86_400_000


class FlakyStore(Store):
    """A store in memory that is away while `is_away`."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.is_away = False

    def _check(self) -> MemoryStore:
        if self.is_away:
            raise UnavailableError("flaredb does not answer")
        return self.inner

    async def get(self, key: bytes, at_version: int = 0) -> Entry | None:
        return await self._check().get(key, at_version)

    async def get_many(self, keys: Sequence[bytes], at_version: int = 0) -> Reading:
        return await self._check().get_many(keys, at_version)

    async def scan(
        self,
        start: bytes,
        end: bytes,
        *,
        limit: int = PAGE_DEFAULT,
        reverse: bool = False,
        keys_only: bool = False,
        at_version: int = 0,
    ) -> Reading:
        return await self._check().scan(
            start, end, limit=limit, reverse=reverse, keys_only=keys_only, at_version=at_version
        )

    async def txn(self, comparisons: Mapping[bytes, int], writes: Mapping[bytes, bytes | None]) -> Committed | Conflict:
        return await self._check().txn(comparisons, writes)

    async def watch(self, start: bytes, end: bytes, from_version: int) -> AsyncGenerator[Changes, None]:
        async for changes in self._check().watch(start, end, from_version):
            self._check()
            yield changes


class StillClock(SetClock):
    """A clock that is set, whose sleepers sleep: iam's background loops must not race through the days."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def play(scenario: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 30))


async def make_web(ada: Clients) -> str:
    await ada.make_organisation("acme")
    await ada.make_project("acme", "blue")
    await ada.make_account("blue", "web")
    return await ada.make_token("blue", "web", TTL_S_MAX)


async def on_disk(iam: RunningIam) -> None:
    """Wait until the newest policy is on disk."""
    for pause_s in itertools.repeat(0.01, 500):
        if open_copy(iam.folder / "state").snapshot == iam.source.snapshot:
            return
        await asyncio.sleep(pause_s)
    raise AssertionError("the policy never came to the disk")


def test_a_restart_keeps_everything_and_its_tokens_stay_valid(tmp_path: Path):
    async def scenario() -> None:
        store = MemoryStore()
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            token, before = await make_web(ada), iam.source.snapshot
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            assert (await ada.with_token(token).who_am_i()).principal
            assert iam.source.snapshot.keys == before.keys
            assert iam.source.snapshot.policy.service_accounts == before.policy.service_accounts
            assert await ada.make_token("blue", "web")

    play(scenario())


def test_a_signing_key_is_made_once(tmp_path: Path):
    async def scenario() -> None:
        store = MemoryStore()
        seen = []
        for _ in range(3):
            async with running_iam(tmp_path, store) as iam:
                await iam.readiness.wait_ready()
                seen.append(iam.source.snapshot.keys)
        assert seen[0] == seen[1] == seen[2]
        assert len(seen[0]) == 1

    play(scenario())


# ---- the root key ---------------------------------------------------------------------------------------------------


def start_without_its_root_key(tmp_path: Path, *, replaced: bool) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        async with running_iam(tmp_path, store) as iam:
            await iam.readiness.wait_ready()
        path = tmp_path / "root.key"
        path.unlink()
        if replaced:
            create_root_key(path)
        async with running_iam(tmp_path, store) as iam:
            await asyncio.wait([iam.living], timeout=5)

    play(scenario())


def test_without_its_root_key_iam_ends_and_makes_no_other(tmp_path: Path):
    with pytest.RaisesGroup(pytest.RaisesExc(RootKeyError, match="sealed with it; put it back")):
        start_without_its_root_key(tmp_path, replaced=False)
    assert not (tmp_path / "root.key").exists()


def test_with_another_root_key_iam_ends(tmp_path: Path):
    with pytest.RaisesGroup(pytest.RaisesExc(RootKeyError, match="does not open signing key")):
        start_without_its_root_key(tmp_path, replaced=True)


# ---- without flaredb ------------------------------------------------------------------------------------------------


def test_iam_serves_the_policy_from_its_disk_while_flaredb_is_away(tmp_path: Path):
    async def scenario() -> None:
        store = FlakyStore()
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            token = await make_web(ada)
            await on_disk(iam)
        store.is_away = True
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada, iam.clients(PRISMNET) as prismnet:
            async with closing(prismnet.policy.watch(pb.WatchPolicyRequest())) as stream:
                assert [one.name for one in (await anext(stream)).projects] == ["blue"]
            assert (await ada.with_token(token).who_am_i()).principal
            assert (await refusal_of(ada.make_token("blue", "web"))).code_name == "UNAVAILABLE"
            assert (await refusal_of(ada.make_organisation("later"))).code_name == "UNAVAILABLE"
            assert iam.readiness.waiting_for() == ("signing keys",)
            store.is_away = False
            await iam.readiness.wait_ready()
            assert await ada.make_token("blue", "web")
            await ada.make_organisation("later")

    play(scenario())


def test_the_first_start_waits_for_flaredb_and_sends_no_empty_policy(tmp_path: Path):
    async def scenario() -> None:
        store = FlakyStore()
        store.is_away = True
        async with (
            running_iam(tmp_path, store) as iam,
            iam.clients(PRISMNET) as prismnet,
            closing(prismnet.policy.watch(pb.WatchPolicyRequest())) as stream,
        ):
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.wait([waiting], timeout=0.2)
            assert not waiting.done()
            assert iam.readiness.waiting_for() == ("a policy", "signing keys")
            store.is_away = False
            assert (await waiting).version > 0
            await iam.readiness.wait_ready()

    play(scenario())


def test_flaredb_may_go_and_come_while_iam_runs(tmp_path: Path):
    async def scenario() -> None:
        store = FlakyStore()
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            token = await make_web(ada)
            store.is_away = True
            await store.inner.txn({}, {b"x": b"what the watch meets first after it has lost its server"})
            assert await ada.make_token("blue", "web")
            assert (await ada.with_token(token).who_am_i()).principal
            store.is_away = False
            await ada.make_organisation("later")

    play(scenario())


def test_a_broken_policy_file_costs_nothing(tmp_path: Path):
    async def scenario() -> None:
        store = MemoryStore()
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            await make_web(ada)
            await on_disk(iam)
        (tmp_path / "state" / "policy.bin").write_bytes(b"\xff" * 100)
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            assert await ada.make_token("blue", "web")

    play(scenario())


# ---- operators ------------------------------------------------------------------------------------------------------


def test_operators_of_the_configuration_come_and_go_with_a_version_of_their_own(tmp_path: Path):
    async def scenario() -> None:
        store = MemoryStore()
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            await make_web(ada)
            version = iam.source.snapshot.policy.version
        async with running_iam(tmp_path, store, admins=(BOB,)) as iam, iam.clients() as ada, iam.clients(BOB) as bob:
            await iam.until(lambda policy: policy.version > version)
            await bob.make_organisation("bobs")
            assert "operator ada has no binding" in (await refusal_of(ada.make_organisation("adas"))).public

    play(scenario())


def test_a_removed_operator_has_no_rights_even_while_flaredb_is_away(tmp_path: Path):
    async def scenario() -> None:
        store = FlakyStore()
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            await make_web(ada)
            await on_disk(iam)
        store.is_away = True
        async with running_iam(tmp_path, store, admins=()) as iam, iam.clients() as ada:
            ask = pb.ExplainRequest(permission="iam.organisations.create")
            assert not (await ada.policy.explain(ask)).allowed

    play(scenario())


# ---- rotation -------------------------------------------------------------------------------------------------------


def test_a_rotation_refuses_no_token(tmp_path: Path):
    async def scenario() -> None:
        clock = StillClock(SystemClock().now_ms())
        async with running_iam(tmp_path, MemoryStore(), clock=clock, signing_key_days=1) as iam, iam.clients() as ada:
            token = await make_web(ada)
            first = jwt.get_unverified_header(token.partition("~")[0])["kid"]
            clock.time_ms += DAY_MS - 10_000
            old = await ada.make_token("blue", "web", TTL_S_MAX)
            clock.time_ms += 10_000
            await ada.make_organisation("wakes-the-chores")
            await iam.until(lambda _policy: len(iam.source.snapshot.keys) == 2)
            assert jwt.get_unverified_header((await ada.make_token("blue", "web")).partition("~")[0])["kid"] == first
            clock.time_ms += AHEAD_MS
            new = await ada.make_token("blue", "web")
            assert jwt.get_unverified_header(new.partition("~")[0])["kid"] != first
            for one in (old, new):
                assert (await ada.with_token(one).who_am_i()).principal

    play(scenario())


def test_a_rotated_key_is_withdrawn_once_its_tokens_have_expired(tmp_path: Path):
    async def scenario() -> None:
        clock = StillClock(SystemClock().now_ms())
        async with running_iam(tmp_path, MemoryStore(), clock=clock, signing_key_days=2) as iam, iam.clients() as ada:
            await make_web(ada)
            (first,) = iam.source.snapshot.keys
            for step_ms in (2 * DAY_MS, AHEAD_MS + LINGER_MS):
                clock.time_ms += step_ms
                await ada.make_organisation(f"wakes-the-chores-{step_ms}")
                await iam.until(lambda _policy: len(iam.source.snapshot.keys) != 1 or first not in _policy_keys(iam))
            await iam.until(lambda _policy: first not in _policy_keys(iam))
            assert len(iam.source.snapshot.keys) == 1

    play(scenario())


def _policy_keys(iam: RunningIam) -> Mapping[str, bytes]:
    return iam.source.snapshot.keys
