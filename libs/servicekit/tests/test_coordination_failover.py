"""Several members behind one client: against members that answer as they are told, and a real cluster of three."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from coordination_servers import Connect, chainfire_program, etcd_program, free_port, run_etcd
from waiting import until

from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.etcd.rpc_rpc import AUTH, KV, WATCH, AuthClient
from ultracloud.api.rpc import Call
from ultracloud.base.faults import (
    DeadlineExceededError,
    Fault,
    InvalidArgumentError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from ultracloud.servicekit import coordination
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.coordination import (
    Coordination,
    Credentials,
    Get,
    Lock,
    Put,
    Session,
    Txn,
    endpoints,
    register,
    services,
    watching,
)
from ultracloud.testkit.processes import Process
from ultracloud.wire import Server, service

CLOCK = SystemClock()


class Member:
    """Answers as it is told: first the faults, in order, then well."""

    def __init__(self, *faults: Fault, delay_s: float = 0.0) -> None:
        self.faults = list(faults)
        self.calls: list[Call] = []
        self.delay_s = delay_s

    async def _say(self, call: Call) -> None:
        self.calls.append(call)
        await asyncio.sleep(self.delay_s)
        if self.faults:
            raise self.faults.pop(0)

    async def put(self, _request: rpc_pb2.PutRequest, call: Call) -> rpc_pb2.PutResponse:
        await self._say(call)
        return rpc_pb2.PutResponse(header=rpc_pb2.ResponseHeader(revision=7))

    async def range(self, _request: rpc_pb2.RangeRequest, call: Call) -> rpc_pb2.RangeResponse:
        await self._say(call)
        return rpc_pb2.RangeResponse(header=rpc_pb2.ResponseHeader(revision=7))

    async def delete_range(self, _request: rpc_pb2.DeleteRangeRequest, call: Call) -> rpc_pb2.DeleteRangeResponse:
        await self._say(call)
        return rpc_pb2.DeleteRangeResponse(header=rpc_pb2.ResponseHeader(revision=7))

    async def txn(self, _request: rpc_pb2.TxnRequest, call: Call) -> rpc_pb2.TxnResponse:
        await self._say(call)
        return rpc_pb2.TxnResponse(header=rpc_pb2.ResponseHeader(revision=7), succeeded=True)

    async def compact(self, _request: rpc_pb2.CompactionRequest, call: Call) -> rpc_pb2.CompactionResponse:
        await self._say(call)
        return rpc_pb2.CompactionResponse()

    async def watch(
        self, requests: AsyncIterator[rpc_pb2.WatchRequest], call: Call
    ) -> AsyncGenerator[rpc_pb2.WatchResponse, None]:
        self.calls.append(call)
        request = await anext(requests)
        start = request.create_request.start_revision
        yield rpc_pb2.WatchResponse(created=True, header=rpc_pb2.ResponseHeader(revision=max(start - 1, 4)))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        revision = max(start, 5)
        for number in (revision - 1, revision, revision + 1):  # the first was told by whoever was asked before
            answer = rpc_pb2.WatchResponse(header=rpc_pb2.ResponseHeader(revision=number))
            event = answer.events.add()
            event.kv.key, event.kv.mod_revision = b"k", number
            yield answer
        raise UnavailableError("etcdserver: no leader")


@asynccontextmanager
async def members(*told: Member, **named: object) -> AsyncGenerator[Coordination, None]:
    """A client of members that answer as told; of the first one first."""
    servers = [Server([service(each, member) for each in (KV, WATCH, AUTH)]) for member in told]
    targets = ["{}:{}".format(*await server.listen("127.0.0.1", 0)) for server in servers]
    kv = coordination.connect(",".join(targets), **named)  # type: ignore[arg-type]
    for channel in kv.endpoints.channels:
        assert await channel.is_connected(5)
    try:
        yield kv
    finally:
        await kv.close()
        for server in servers:
            await server.drain(0)


def calls(*told: Member) -> list[int]:
    return [len(member.calls) for member in told]


SURE = [UnavailableError("etcdserver: no leader"), UnavailableError("etcdserver: rpc not supported for learner")]
UNSURE = [
    UnavailableError("etcdserver: request timed out"),
    UnavailableError("etcdserver: request timed out, possibly due to previous leader failure"),
    UnavailableError("anything else"),
]


@pytest.mark.parametrize("fault", SURE, ids=str)
def test_a_write_that_was_surely_not_done_goes_to_another_member(fault: Fault) -> None:
    async def scenario() -> None:
        one, two = Member(fault), Member(fault)
        async with members(one, two) as kv:
            assert await kv.put(b"k", b"v") == 7
        assert sum(calls(one, two)) == 3

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", UNSURE, ids=str)
def test_a_write_that_may_have_been_done_is_not_sent_again(fault: Fault) -> None:
    async def scenario() -> None:
        one, two = Member(fault), Member(fault)
        async with members(one, two) as kv:
            with pytest.raises(UnavailableError):
                await kv.put(b"k", b"v")
            assert sum(calls(one, two)) == 1
            with pytest.raises(UnavailableError):
                await kv.perform(Txn().then(Put(key=b"k", value=b"v")))
            assert calls(one, two) == [1, 1]

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [*SURE, *UNSURE], ids=str)
def test_what_is_harmless_twice_goes_to_another_member(fault: Fault) -> None:
    async def scenario() -> None:
        one, two = Member(fault), Member(fault)
        async with members(one, two) as kv:
            assert (await kv.read(Get(key=b"k"))).revision == 7
            one.faults, two.faults = [fault], [fault]
            assert (await kv.perform(Txn().then(Get(key=b"k")))).succeeded
            one.faults, two.faults = [fault], [fault]
            assert (await kv.perform(Txn().then(Put(key=b"k", value=b"v")), repeatable=True)).succeeded

    asyncio.run(scenario())


def test_a_client_stays_with_the_member_that_answers() -> None:
    async def scenario() -> None:
        one, two, three = Member(), Member(), Member()
        async with members(one, two, three) as kv:
            for _ in range(20):
                await kv.put(b"k", b"v")
        assert sorted(calls(one, two, three)) == [0, 0, 20]

    asyncio.run(scenario())


def test_a_member_that_does_not_answer_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "ATTEMPT_S", 0.1)

    async def scenario() -> None:
        slow, quick = Member(delay_s=60), Member()
        async with members(slow, quick, deadline_s=0.5) as kv:
            kv.endpoints.prefer(0)
            with pytest.raises(DeadlineExceededError):
                await kv.put(b"k", b"v")
            assert await kv.put(b"k", b"v") == 7
            kv.endpoints.prefer(0)
            assert (await kv.read(Get(key=b"k"))).revision == 7
        assert calls(slow, quick) == [2, 2]

    asyncio.run(scenario())


def test_a_refusal_is_not_asked_of_another_member() -> None:
    async def scenario() -> None:
        one, two = (Member(InvalidArgumentError("etcdserver: key is not provided")) for _ in range(2))
        async with members(one, two) as kv:
            with pytest.raises(InvalidArgumentError, match="key is not provided"):
                await kv.get(b"")
        assert sum(calls(one, two)) == 1

    asyncio.run(scenario())


def test_requests_ask_for_a_member_with_a_leader_unless_they_may_be_stale() -> None:
    async def scenario() -> None:
        one = Member()
        async with members(one) as kv:
            await kv.put(b"k", b"v")
            await kv.read(Get(key=b"k"))
            await kv.read(Get(key=b"k", serializable=True))
        assert [call.metadata.get("hasleader") for call in one.calls] == ["true", "true", None]

    asyncio.run(scenario())


def test_a_client_of_nobody_says_so_within_its_deadline() -> None:
    async def scenario() -> None:
        kv = coordination.connect("127.0.0.1:1,127.0.0.1:2", deadline_s=0.5)
        async with asyncio.timeout(3):
            with pytest.raises(UnavailableError, match="none of 2 members answers"):
                await kv.put(b"k", b"v")
        await kv.close()

    asyncio.run(scenario())


def test_a_watch_goes_on_elsewhere_without_a_gap_and_tells_nothing_twice() -> None:
    async def scenario() -> None:
        one, two = Member(), Member()
        async with members(one, two) as kv, aclosing(kv.watch(b"k", 5)) as watch, asyncio.timeout(10):
            told: list[int] = []
            while len(told) < 6:
                told += [event.revision for event in await anext(watch)]
        assert told == [5, 6, 7, 8, 9, 10]
        assert sum(calls(one, two)) >= 3

    asyncio.run(scenario())


def test_a_watch_that_hears_nothing_goes_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SILENCE_S", 0.1)

    async def scenario() -> None:
        silent, talking = Member(delay_s=60), Member()
        async with members(silent, talking) as kv:
            kv.endpoints.prefer(0)
            async with aclosing(kv.watch(b"k", 5)) as watch, asyncio.timeout(10):
                told: list[int] = []
                while not told:
                    told += [event.revision for event in await anext(watch)]
        assert told == [5]

    asyncio.run(scenario())


@pytest.mark.parametrize("targets", ["", "a:1,", "a:1,b"])
def test_what_is_no_list_of_addresses_is_refused(targets: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is no address"):
        coordination.connect(targets)


@contextmanager
def cluster(program: Sequence[str], folder: Path) -> Iterator[tuple[list[Process], str, Callable[[int], Process]]]:
    """Three members on this machine: their processes, their addresses, and how one is started again."""
    ports = [(free_port(), free_port()) for _ in range(3)]
    everybody = ",".join(f"m{n}=http://127.0.0.1:{peer}" for n, (_, peer) in enumerate(ports))

    def start(number: int) -> Process:
        client, peer = (f"http://127.0.0.1:{port}" for port in ports[number])
        command = [*program, "--name", f"m{number}", "--data-dir", str(folder / f"m{number}")]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        command += ["--initial-cluster", everybody, "--heartbeat-interval", "50", "--election-timeout", "500"]
        return Process(command, folder / f"m{number}.log")

    processes = [start(number) for number in range(3)]
    try:
        yield processes, ",".join(f"127.0.0.1:{client}" for client, _ in ports), start
    finally:
        for process in processes:
            process.close()


async def eventually(kv: Coordination, key: bytes, value: bytes) -> None:
    """Write what may be written twice, however long it takes."""
    async with asyncio.timeout(20):
        while True:
            with suppress(UnavailableError, DeadlineExceededError):
                await kv.put(key, value)
                return


@pytest.mark.parametrize("find", [etcd_program, chainfire_program])
def test_everything_outlives_each_member_of_a_real_cluster(find: Callable[[], Sequence[str]], tmp_path: Path) -> None:
    program = find()

    async def scenario() -> None:
        with cluster(program, tmp_path) as (processes, targets, start):
            kv = coordination.connect(targets, deadline_s=1.5)
            await eventually(kv, b"/k", b"first")
            told: list[bytes] = []

            async def look() -> None:
                async with aclosing(kv.watch(b"/k", 2, end=b"")) as watch:
                    async for batch in watch:
                        told.extend(event.pair.value for event in batch if event.pair)

            looking = asyncio.create_task(look())
            listing = asyncio.create_task(register(kv, "demo", "127.0.0.1:7", CLOCK, ttl_s=15))
            wrote = [b"first"]
            async with Session(kv, CLOCK, ttl_s=15) as session, Lock(session, b"/lock") as lock:
                fence = lock.fence
                for number in range(3):
                    processes[number].kill()
                    wrote.append(b"%d" % number)
                    await eventually(kv, b"/k", wrote[-1])
                    processes[number] = start(number)
                assert (await kv.perform(Txn().when(lock.held()))).succeeded
                assert lock.fence == fence
                await until(lambda: _is_listed(kv))
            await until(lambda: _has_told(told, wrote))
            for task in (looking, listing):
                task.cancel()
            await asyncio.gather(looking, listing, return_exceptions=True)
            await kv.close()
        # A write that was sent again after its answer was lost is told twice, and everything else once and in order.
        assert [value for place, value in enumerate(told) if told[place - 1 : place] != [value]] == wrote

    asyncio.run(scenario())


async def _is_listed(kv: Coordination) -> bool:
    with suppress(UnavailableError, DeadlineExceededError):
        return bool(await services(kv, "demo"))
    return False


async def _has_told(told: list[bytes], wrote: list[bytes]) -> bool:
    return told[-1:] == wrote[-1:]


class Guarded(Member):
    """Wants a token, which it takes twice."""

    def __init__(self) -> None:
        super().__init__()
        self.issued = 0

    async def authenticate(self, request: rpc_pb2.AuthenticateRequest, _call: Call) -> rpc_pb2.AuthenticateResponse:
        if request.password != "right":
            raise InvalidArgumentError("etcdserver: authentication failed, invalid user ID or password")
        self.issued += 1
        return rpc_pb2.AuthenticateResponse(token=f"{request.name}.{self.issued}")

    async def _say(self, call: Call) -> None:
        await super()._say(call)
        used = [each.metadata.get("token") for each in self.calls].count(call.metadata.get("token"))
        if call.metadata.get("token") != f"me.{self.issued}" or used > 2:
            raise UnauthenticatedError("etcdserver: invalid auth token")


def test_a_token_is_asked_for_once_and_renewed_when_it_is_refused() -> None:
    async def scenario() -> None:
        one = Guarded()
        async with members(one, credentials=Credentials("me", "right")) as kv:
            for _ in range(5):
                await kv.put(b"k", b"v")
        assert one.issued == 3

    asyncio.run(scenario())


def test_a_wrong_password_is_said_so() -> None:
    async def scenario() -> None:
        async with members(Guarded(), credentials=Credentials("me", "wrong")) as kv:
            with pytest.raises(InvalidArgumentError, match="invalid user ID or password"):
                await kv.put(b"k", b"v")

    asyncio.run(scenario())


def test_users_of_a_real_store_see_what_they_may(tmp_path: Path) -> None:
    async def scenario(kv: Coordination, as_user: Callable[[str], Coordination]) -> None:
        auth = AuthClient(kv.endpoints.channels[0])
        await kv.put(b"/secret", b"")
        for name in ("root", "guest"):
            await auth.user_add(rpc_pb2.AuthUserAddRequest(name=name, password=f"{name}'s"))
        await auth.user_grant_role(rpc_pb2.AuthUserGrantRoleRequest(user="root", role="root"))
        await auth.auth_enable(rpc_pb2.AuthEnableRequest())
        root, guest = as_user("root"), as_user("guest")
        assert await root.get(b"/secret") is not None
        with pytest.raises(PermissionDeniedError):
            await guest.get(b"/secret")
        async with aclosing(guest.watch(b"/secret")) as watch, asyncio.timeout(10):
            with pytest.raises(PermissionDeniedError):
                await anext(watch)
        async with aclosing(root.watch(b"/secret", 2)) as watch, asyncio.timeout(10):
            assert len(await anext(watch)) == 0
            assert len(await anext(watch)) == 1
        for each in (kv, root, guest):
            await each.close()

    def run(connect: Connect) -> None:
        target = connect().endpoints.channels[0].target
        as_user = lambda name: coordination.connect(target, credentials=Credentials(name, f"{name}'s"))  # noqa: E731
        asyncio.run(scenario(connect(), as_user))

    for connect in run_etcd(tmp_path):
        run(connect)
