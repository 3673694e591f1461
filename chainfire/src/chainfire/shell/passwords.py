"""Passwords: hashing one takes a twentieth of a second, so it is done in threads, and only so many at once.

Source: bcrypt as etcd uses it: version 2a, 72 bytes of password at most, `--bcrypt-cost`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from chainfire.errors import PasswordTooLongError, TooManyRequestsError
from ultracloud.base.faults import InvalidArgumentError

THREADS = 2
"""bcrypt lets other threads run, but takes a core while it runs: more than two would be felt by those who ask."""
WAITING_MAX = 64
"""Hashes that wait or are made: a second or two with the default cost. More are refused rather than kept waiting."""
PASSWORD_BYTES_MAX = 72
"""What bcrypt looks at."""
_VERSION = b"2a"
"""The one Go writes; etcd reads our hashes and we read etcd's."""

ResultT = TypeVar("ResultT")


class Passwords:
    """Hashes and checks passwords.

    Args:
        cost: bcrypt's: each step up doubles the time of a hash.
    """

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._threads: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def hash(self, password: str) -> bytes:
        """Hash a password.

        Raises:
            PasswordTooLongError: It is over PASSWORD_BYTES_MAX.
            TooManyRequestsError: Too many wait already.
        """
        octets = password.encode()
        if len(octets) > PASSWORD_BYTES_MAX:
            raise PasswordTooLongError
        if b"\x00" in octets:
            raise InvalidArgumentError("the password holds a NUL; accepted: every other character")
        return await self._in_thread(lambda: bcrypt.hashpw(octets, bcrypt.gensalt(self._cost, _VERSION)))

    async def is_right(self, password: str, password_hash: bytes) -> bool:
        """Whether a password is the one that was hashed.

        Raises:
            TooManyRequestsError: Too many wait already.
        """
        octets = password.encode()
        return await self._in_thread(lambda: _matches(octets, password_hash))

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        if self._waiting >= WAITING_MAX:
            raise TooManyRequestsError
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="chainfire-passwords")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _matches(password: bytes, password_hash: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, password_hash)
    except ValueError:
        # The hash is none of bcrypt's, or the password is one that it never hashes.
        return False
