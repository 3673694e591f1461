import asyncio

import pytest

from chainfire.errors import PasswordTooLongError, TooManyRequestsError
from chainfire.shell.passwords import WAITING_MAX, Passwords
from ultracloud.base.faults import InvalidArgumentError

COST = 4


def test_a_password_matches_its_own_hash_alone() -> None:
    async def act() -> None:
        passwords = Passwords(COST)
        hashed = await passwords.hash("secret")
        assert hashed.startswith(b"$2a$04$")
        assert await passwords.is_right("secret", hashed)
        assert not await passwords.is_right("secreT", hashed)
        # A hash that was never made: a user who has only a certificate, or one of another kind.
        for strange in (b"", b"$argon2id$", hashed[:20]):
            assert not await passwords.is_right("secret", strange)
        assert not await passwords.is_right("s" * 80, hashed)

    asyncio.run(act())


def test_a_password_that_bcrypt_would_cut_is_refused() -> None:
    passwords = Passwords(COST)
    with pytest.raises(PasswordTooLongError):
        asyncio.run(passwords.hash("é" * 37))
    with pytest.raises(InvalidArgumentError):
        asyncio.run(passwords.hash("a\x00b"))


def test_the_loop_runs_while_passwords_are_hashed_and_too_many_are_refused() -> None:
    async def act() -> tuple[int, int, int]:
        passwords = Passwords(COST)
        waiting = [asyncio.ensure_future(passwords.hash("secret")) for _ in range(WAITING_MAX + 3)]
        turns = 0
        while not all(each.done() for each in waiting):
            turns += 1
            await asyncio.sleep(0)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        refused = sum(isinstance(each, TooManyRequestsError) for each in results)
        assert await passwords.hash("once more")
        return turns, refused, len({each for each in results if isinstance(each, bytes)})

    turns, refused, hashes = asyncio.run(act())
    assert (refused, hashes) == (3, WAITING_MAX)
    assert turns > WAITING_MAX
