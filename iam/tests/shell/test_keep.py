"""What is kept of logins ends when it must, and goes with its user."""

import asyncio

from iam.shell.forgetting import Forgetting
from iam.shell.keep import Keep
from iam.shell.people import People
from iam.testing import Clients, Live, RunningIam
from ultracloud.api.iam.v1 import identity_pb2
from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.servicekit.policy import PolicyCopy
from ultracloud.servicekit.resources import Resources
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import SetClock


def test_what_has_ended_is_not_there_and_is_swept_away():
    async def play() -> None:
        store, clock = MemoryStore(), SetClock()
        keep = Keep(store, clock)
        ends, stays = pb.TicketState(user="u", ends_at_ms=clock.now_ms() + 1000), pb.TicketState(user="u")
        await keep.change(b"~t/ends", pb.TicketState, lambda kept: kept.CopyFrom(ends))
        await keep.change(b"~t/stays", pb.TicketState, lambda kept: kept.CopyFrom(stays))
        assert (await keep.get(b"~t/ends", pb.TicketState)).is_there
        clock.time_ms += 1000
        assert not (await keep.get(b"~t/ends", pb.TicketState)).is_there
        assert await keep.take(b"~t/ends", pb.TicketState) is None
        assert await keep.list(b"~t/", pb.TicketState, 10) == [stays]
        assert (await keep.sweep_once(), await keep.sweep_once()) == (1, 0)
        assert [entry.key for entry in (await store.scan(b"", b"")).entries] == [b"~t/stays"]

    asyncio.run(play())


def test_of_many_who_take_the_same_thing_one_gets_it_and_no_change_is_lost():
    async def play() -> None:
        store, clock = MemoryStore(), SetClock()
        keeps = [Keep(store, clock) for _ in range(4)]

        def more(kept: pb.Attempts) -> None:
            kept.failures += 1

        await asyncio.gather(*[keep.change(b"~a/x", pb.Attempts, more) for keep in keeps for _ in range(2)])
        assert (await keeps[0].get(b"~a/x", pb.Attempts)).message.failures == 8
        taken = await asyncio.gather(*[keep.take(b"~a/x", pb.Attempts) for keep in keeps])
        assert sum(one is not None for one in taken) == 1

    asyncio.run(play())


def test_nothing_is_kept_of_a_user_who_is_gone(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        for name in ("bob", "eve"):
            await ada.make_login("acme", name)
            session = await ada.login(f"{name}@acme")
            token = identity_pb2.CreatePersonalTokenRequest(name="x")
            await ada.with_token(session.access_token).personal_tokens.create(token)
        bob = (await ada.users.delete(DeleteRequest(project="acme", ref="bob"))).metadata.id
        people = People(iam.source, Resources(iam.store, PolicyCopy(), SetClock(), ()))
        forgetting = Forgetting(iam.store, iam.source, people, SetClock())
        assert (await forgetting.once(), await forgetting.once()) == (3, 0)
        kept = [entry.key for entry in (await iam.store.scan(b"~", b"")).entries if b"usr-" in entry.key]
        assert len(kept) == 3
        assert not any(bob.encode() in key for key in kept)

    live(scenario)
