"""Digests of passwords: what they cost, and that what is not there costs as much."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import argon2
import pytest

from iam.shell.hashing import PARAMETERS, QUEUE_MAX, Hasher
from iam.testing import CHEAP
from ultracloud.base.faults import UnavailableError

PASSWORD = "correct horse battery"


LIGHT = argon2.Parameters(
    type=argon2.Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=4096, parallelism=1
)


@pytest.fixture
def hasher() -> Iterator[Hasher]:
    made = Hasher(LIGHT)
    yield made
    made.close()


def run(deed: Callable[[], Awaitable[None]]) -> None:
    async def play() -> None:
        await deed()

    asyncio.run(play())


def test_a_digest_is_of_its_password_alone_and_says_how_it_was_made():
    async def deed() -> None:
        hasher = Hasher(PARAMETERS)
        digest = await hasher.make(PASSWORD)
        assert digest.startswith("$argon2id$v=19$m=47104,t=2,p=1$")
        assert PASSWORD not in digest
        assert await hasher.make(PASSWORD) != digest
        assert await hasher.is_right(digest, PASSWORD)
        assert not await hasher.is_right(digest, PASSWORD + " ")
        assert not hasher.is_outdated(digest)
        old = argon2.PasswordHasher.from_parameters(CHEAP).hash(PASSWORD)
        assert await hasher.is_right(old, PASSWORD)
        assert hasher.is_outdated(old)
        hasher.close()

    run(deed)


@pytest.mark.parametrize("digest", ["", "x", "$argon2id$", "nobody has this password"])
def test_what_is_no_digest_is_nobodys_password(hasher: Hasher, digest: str):
    async def deed() -> None:
        assert not await hasher.is_right(digest, PASSWORD)
        assert not await hasher.is_right(digest, "nobody has this password")

    run(deed)


def test_who_does_not_exist_costs_as_much_as_who_is_wrong(hasher: Hasher):
    async def cost(digest: str) -> float:
        begun = time.process_time()
        for _ in range(4):
            await hasher.is_right(digest, "wrong password!")
        return time.process_time() - begun

    async def deed() -> None:
        known = await hasher.make(PASSWORD)
        await cost(known)
        # The least of several: what others do on the machine only adds.
        wrong = min([await cost(known) for _ in range(3)])
        nobody = min([await cost("") for _ in range(3)])
        assert 0.6 < nobody / wrong < 1.6

    run(deed)


def test_a_flood_is_told_to_come_again_and_the_loop_goes_on(hasher: Hasher):
    async def deed() -> None:
        known = await hasher.make(PASSWORD)
        checks = [asyncio.ensure_future(hasher.is_right(known, PASSWORD)) for _ in range(QUEUE_MAX + 20)]
        longest_s, last_s = 0.0, time.monotonic()
        while not all(check.done() for check in checks):
            await asyncio.sleep(0.005)
            longest_s, last_s = max(longest_s, time.monotonic() - last_s), time.monotonic()
        told = [check.exception() for check in checks]
        assert sum(isinstance(one, UnavailableError) for one in told) == 20
        assert longest_s < 1

    run(deed)
