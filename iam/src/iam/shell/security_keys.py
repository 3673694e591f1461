"""Security keys: WebAuthn as a second factor, by `fido2`.

A challenge is a ticket: good once and for five minutes. A key whose counter goes back has been copied and is refused.

Source: WebAuthn level 3, 7.1 (registering), 7.2 (verifying an assertion), 6.1.1 (signature counter).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
)

from iam.shell.keep import Keep, digest
from iam.shell.logins import key_of
from ultracloud.api.iam.v1 import iam_pb2
from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.base.attenuation import encoded
from ultracloud.base.faults import InvalidArgumentError, UnauthenticatedError
from ultracloud.servicekit.clock import Clock, new_id

CHALLENGE_S = 300
KEYS_MAX = 10
"""Security keys of one user: one on the key ring, one in the safe, and some of old."""
NAME_LENGTH_MAX = 100
RESPONSE_LENGTH_MAX = 64 * 1024
"""Attestation statements bring certificates; none has more."""


class SecurityKeys:
    """Registers keys, and checks what they sign.

    Args:
        issuer: Gives the URL people reach us at, whose host the keys are bound to.
    """

    def __init__(self, keep: Keep, issuer: Callable[[], str], clock: Clock) -> None:
        self._keep = keep
        self._issuer = issuer
        self._clock = clock

    async def begin_registration(self, user: iam_pb2.User, login: str) -> tuple[str, str]:
        """A state to be given back, and options for the browser as JSON.

        Raises:
            InvalidArgumentError: The user has KEYS_MAX of them.
        """
        known = (await self._keep.get(key_of(user.metadata.id), pb.UserCredentials)).message.security_keys
        if len(known) >= KEYS_MAX:
            raise InvalidArgumentError(f"you have {KEYS_MAX} security keys; remove one first", reason="TOO_MANY_KEYS")
        entity = PublicKeyCredentialUserEntity(
            id=user.metadata.id.encode(), name=login, display_name=user.spec.display_name or login
        )
        options, state = self._server().register_begin(entity, [AttestedCredentialData(one.attested) for one in known])
        return await self._remember("register", user.metadata.id, state), json.dumps(dict(options.public_key))

    async def finish_registration(self, user: str, state: str, response: str, name: str) -> str:
        """Keep a key that the browser has made; gives its id.

        Raises:
            InvalidArgumentError: The challenge has expired, or the answer is not one to it.
        """
        if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable():
            raise InvalidArgumentError(
                f"name is empty or over {NAME_LENGTH_MAX} printable characters", reason="NAME_INVALID"
            )
        challenge = await self._recall("register", user, state)
        try:
            data = self._server().register_complete(challenge, _parsed(response))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidArgumentError(
                "the security key's answer does not verify; try again", detail=repr(error), reason="KEY_INVALID"
            ) from error
        attested = data.credential_data
        assert attested is not None
        made = pb.SecurityKeyState(
            id=new_id(self._clock, "key"),
            name=name,
            attested=bytes(attested),
            sign_count=data.counter,
            created_at_ms=self._clock.now_ms(),
        )
        await self._keep.change(key_of(user), pb.UserCredentials, lambda kept: kept.security_keys.append(made))
        return made.id

    async def begin_assertion(self, user: str) -> tuple[str, str]:
        """A state to be given back, and options for the browser as JSON."""
        known = (await self._keep.get(key_of(user), pb.UserCredentials)).message.security_keys
        options, state = self._server().authenticate_begin([AttestedCredentialData(one.attested) for one in known])
        return await self._remember("assert", user, state), json.dumps(dict(options.public_key))

    async def finish_assertion(self, user: str, state: str, response: str) -> None:
        """Return if one of the user's keys has signed the challenge.

        Raises:
            UnauthenticatedError: None has, or one that has been copied.
        """
        refusal = UnauthenticatedError("the security key's answer does not verify", reason="KEY_WRONG")
        try:
            challenge, said = await self._recall("assert", user, state), _parsed(response)
            count = AuthenticationResponse.from_dict(said).response.authenticator_data.counter
        except (InvalidArgumentError, ValueError, KeyError, TypeError):
            raise refusal from None

        def change(kept: pb.UserCredentials) -> None:
            known = [AttestedCredentialData(one.attested) for one in kept.security_keys]
            try:
                used = self._server().authenticate_complete(challenge, known, said)
            except (ValueError, KeyError, TypeError):
                raise refusal from None
            entry = kept.security_keys[known.index(used)]
            if (count or entry.sign_count) and count <= entry.sign_count:
                raise refusal
            entry.sign_count = count

        await self._keep.change(key_of(user), pb.UserCredentials, change)

    def _server(self) -> Fido2Server:
        parts = urlsplit(self._issuer())
        origin = f"{parts.scheme}://{parts.netloc}"
        entity = PublicKeyCredentialRpEntity(name="UltraCloud", id=parts.hostname or "")
        return Fido2Server(entity, verify_origin=lambda said: said == origin)

    async def _remember(self, purpose: str, user: str, state: Mapping[str, object]) -> str:
        """Keep a challenge; gives what it is found by."""
        text = encoded(self._clock.entropy(32))
        ends_at_ms = self._clock.now_ms() + CHALLENGE_S * 1000
        ticket = pb.TicketState(user=user, challenge=json.dumps(state).encode(), ends_at_ms=ends_at_ms)
        await self._keep.change(_ticket(purpose, text), pb.TicketState, lambda kept: kept.CopyFrom(ticket))
        return text

    async def _recall(self, purpose: str, user: str, text: str) -> dict[str, object]:
        ticket = await self._keep.take(_ticket(purpose, text), pb.TicketState)
        if ticket is None or ticket.user != user:
            raise InvalidArgumentError("the challenge has expired; begin again", reason="CHALLENGE_EXPIRED")
        state: dict[str, object] = json.loads(ticket.challenge)
        return state


def _ticket(purpose: str, text: str) -> bytes:
    return f"~t/{purpose}/{digest(text)}".encode()


def _parsed(response: str) -> dict[str, object]:
    """The browser's JSON.

    Raises:
        ValueError: It is none.
    """
    if len(response) > RESPONSE_LENGTH_MAX:
        raise ValueError("the answer is too long")
    said = json.loads(response)
    if not isinstance(said, dict):
        raise TypeError("the answer is no object")
    return said
