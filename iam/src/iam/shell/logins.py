"""Logins: whether somebody is who they say. Password, then a code where the user has a second factor.

Unknown, disabled and wrong look alike, in what is said and in how long it takes. A guess is counted before it is
looked at, for the user and for the source, in the store: what one iam has counted, the others know.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from iam.core.throttle import FORGET_MS, PER_SOURCE, PER_USER, Rule, Tally, counted, forgiven
from iam.core.totp import matched_step, plain_recovery_code
from iam.shell.hashing import Hasher
from iam.shell.keep import ATTEMPTS_MAX, Keep, Kept, digest
from iam.shell.people import People
from iam.shell.secrets_of_users import UserSecrets
from ultracloud.api.iam.v1 import iam_pb2
from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.base.faults import ResourceExhaustedError, UnauthenticatedError
from ultracloud.servicekit.clock import Clock

PASSWORD, ONE_TIME_CODE, SECURITY_KEY, FEDERATED = "pwd", "otp", "hwk", "fed"
"""How somebody logged in. Source: RFC 8176; the last, for another issuer's word, is ours."""
PASSWORD_LENGTH_MAX = 1024
"""What is longer is no password of ours and is not digested."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody says to be let in; `code` is empty where they have none."""

    login: str
    password: str
    code: str
    source: str


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who somebody is, how they proved it, and when."""

    user: iam_pb2.User
    methods: tuple[str, ...]
    at_ms: int


class Logins:
    """Tells who somebody is."""

    def __init__(self, keep: Keep, people: People, hasher: Hasher, secrets: UserSecrets, clock: Clock) -> None:
        self._keep = keep
        self._people = people
        self._hasher = hasher
        self._secrets = secrets
        self._clock = clock

    async def prove(self, proof: Proof) -> Authenticated:
        """Who brings this proof.

        Raises:
            UnauthenticatedError: Nobody (LOGIN_WRONG), a code is missing (SECOND_FACTOR_NEEDED; its metadata has the
                sorts) or wrong (CODE_WRONG).
            ResourceExhaustedError: Too many wrong ones came before.
            UnavailableError: Too many are logging in.
        """
        user = await self._people.by_login(proof.login)
        async with self.guess(user.metadata.id if user else f"?{proof.login.strip().lower()}", proof.source):
            credentials = await self.check_password(user, proof.password)
            assert user is not None
            methods = [PASSWORD]
            factors = factors_of(credentials)
            if factors:
                await self._check_code(user.metadata.id, proof.code, factors)
                methods.append(ONE_TIME_CODE)
        return Authenticated(user, tuple(methods), self._clock.now_ms())

    async def check_password(self, user: iam_pb2.User | None, password: str) -> pb.UserCredentials:
        """The credentials of `user`, whose password this is. To be called inside `guess`.

        Raises:
            UnauthenticatedError: It is not (LOGIN_WRONG).
        """
        kept = await self._keep.get(key_of(user.metadata.id if user else "nobody"), pb.UserCredentials)
        known = kept.message.password if user is not None and not user.spec.disabled else ""
        if not await self._hasher.is_right(known, password[:PASSWORD_LENGTH_MAX]):
            raise UnauthenticatedError("the login or the password is wrong", reason="LOGIN_WRONG")
        if self._hasher.is_outdated(known):
            made = await self._hasher.make(password)
            kept.message.password = made
            await self._keep.write(kept, kept.message)  # lost to somebody faster: done at the next login
        return kept.message

    def guess(self, who: str, source: str) -> _Guess:
        """Count a guess at `who` from `source` around a block; one that raises was wrong."""
        rules = {f"user/{who}": PER_USER, f"source/{_network(source)}": PER_SOURCE}
        return _Guess(self._keep, self._clock, {_attempts_key(name): rule for name, rule in rules.items()})

    async def count(self, what: str, rule: Rule) -> None:
        """Count something that anybody may do, and that costs us something.

        Raises:
            ResourceExhaustedError: It has been done too often.
        """
        await _Guess(self._keep, self._clock, {_attempts_key(what): rule}).__aenter__()

    async def _check_code(self, user: str, code: str, factors: tuple[str, ...]) -> None:
        if not code:
            raise UnauthenticatedError(
                "a second factor is needed: the code of the authenticator app, a recovery code, or a security key",
                reason="SECOND_FACTOR_NEEDED",
                metadata={"factors": " ".join(factors)},
            )
        if not await self.use_code(user, code):
            raise UnauthenticatedError("the code is wrong, or has been used", reason="CODE_WRONG")

    async def use_code(self, user: str, code: str) -> bool:
        """Whether `code` is one of the user's; it is not again."""
        used = False

        def change(credentials: pb.UserCredentials) -> None:
            nonlocal used
            used = self._use_totp(user, credentials, code) or _use_recovery(credentials, code)

        await self._keep.change(key_of(user), pb.UserCredentials, change)
        return used

    def _use_totp(self, user: str, credentials: pb.UserCredentials, code: str) -> bool:
        if not credentials.totp.is_confirmed:
            return False
        secret = self._secrets.open_totp(user, credentials.totp.sealed_secret)
        step = matched_step(secret, code, self._clock.now_ms() // 1000, credentials.totp.last_step)
        if step is not None:
            credentials.totp.last_step = step
        return step is not None


class _Guess:
    """A guess, counted on the way in, and taken back on the way out if it was right."""

    def __init__(self, keep: Keep, clock: Clock, rules: dict[bytes, Rule]) -> None:
        self._keep = keep
        self._clock = clock
        self._rules = rules

    async def __aenter__(self) -> None:
        """Count it.

        Raises:
            ResourceExhaustedError: It comes too early.
        """
        for key, rule in self._rules.items():
            for _ in range(ATTEMPTS_MAX):
                kept = await self._keep.get(key, pb.Attempts)
                if await self._put(kept, counted(_tally(kept.message), rule, self._clock.now_ms())):
                    break
            else:
                raise ResourceExhaustedError("too many attempts at once; try again in 1 s", reason="TOO_MANY_ATTEMPTS")

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        """Take it back, if it was right; a password that was right but lacks the code is no wrong guess either."""
        if error is not None and not (
            isinstance(error, UnauthenticatedError) and error.reason == "SECOND_FACTOR_NEEDED"
        ):
            return
        for key in self._rules:
            for _ in range(ATTEMPTS_MAX):
                kept = await self._keep.get(key, pb.Attempts)
                if await self._put(kept, forgiven(_tally(kept.message))):
                    break

    async def _put(self, kept: Kept[pb.Attempts], tally: Tally) -> bool:
        ends_at_ms = max(self._clock.now_ms(), tally.next_at_ms) + FORGET_MS
        message = pb.Attempts(failures=tally.failures, next_at_ms=tally.next_at_ms, ends_at_ms=ends_at_ms)
        return await self._keep.write(kept, message if tally.failures else None)


def key_of(user: str) -> bytes:
    """Where the credentials of a user are."""
    return f"~u/{user}".encode()


def factors_of(credentials: pb.UserCredentials) -> tuple[str, ...]:
    """Which second factors somebody has."""
    totp = ("totp",) if credentials.totp.is_confirmed else ()
    return (*totp, "securitykey") if credentials.security_keys else totp


def _use_recovery(credentials: pb.UserCredentials, code: str) -> bool:
    plain = bytes.fromhex(digest(plain_recovery_code(code)))
    for index, known in enumerate(credentials.recovery_codes):
        if hmac.compare_digest(known, plain):
            del credentials.recovery_codes[index]
            return True
    return False


def _tally(message: pb.Attempts) -> Tally:
    return Tally(message.failures, message.next_at_ms)


def _attempts_key(name: str) -> bytes:
    return f"~a/{digest(name)}".encode()


def _network(source: str) -> str:
    """An address as guessers have it: of IPv6, everybody has 64 bits to choose from."""
    return ":".join(source.split(":")[:4]) if source.count(":") > 1 else source
