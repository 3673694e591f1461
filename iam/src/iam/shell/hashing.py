"""Password digests: argon2id, in a few threads beside the loop.

A digest costs memory and 50 ms or more by design, so at most POOL run at once and QUEUE_MAX wait; whoever comes then is
told to come again. What guards a password must not take the service down.

Source: RFC 9106 (argon2id); OWASP Password Storage Cheat Sheet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from ultracloud.base.faults import UnavailableError

ResultT = TypeVar("ResultT")

POOL = 2
QUEUE_MAX = 32
"""Two seconds of work; nobody waits longer for a page."""
PARAMETERS = argon2.Parameters(
    type=argon2.Type.ID, version=19, salt_len=16, hash_len=32, time_cost=2, memory_cost=47_104, parallelism=1
)
"""46 MiB, twice: above OWASP's least, and two at once fit into the smallest node."""


class Hasher:
    """Makes and checks digests."""

    def __init__(self, parameters: argon2.Parameters) -> None:
        self._hasher = argon2.PasswordHasher.from_parameters(parameters)
        self._pool = ThreadPoolExecutor(POOL, thread_name_prefix="argon2")
        self._waiting = 0
        # Compared with the password of who does not exist, so that they wait as long as everybody.
        self._nobody = self._hasher.hash("nobody has this password")

    async def make(self, password: str) -> str:
        """The digest of a new password; says itself how it was made.

        Raises:
            UnavailableError: Too many wait.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def is_right(self, digest: str, password: str) -> bool:
        """Whether `digest` is of `password`; False, after as long a time, where `digest` is empty.

        Raises:
            UnavailableError: Too many wait.
        """
        return await self._run(lambda: self._verify(digest or self._nobody, password)) and bool(digest)

    def is_outdated(self, digest: str) -> bool:
        """Whether it was made in an older way and should be made anew."""
        return self._hasher.check_needs_rehash(digest)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, digest: str, password: str) -> bool:
        try:
            return self._hasher.verify(digest, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        if self._waiting >= QUEUE_MAX:
            raise UnavailableError("too many people are logging in; try again in a moment", reason="BUSY")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
