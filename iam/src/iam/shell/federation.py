"""Logging in through another issuer (upstream): its discovery and keys, the code for an ID token, who that is here.

Which issuers are believed stands in the configuration, because iam calls them: a tenant who could name one could make
iam call anything.

Source: OpenID Connect Core 1.0 (3.1), OpenID Connect Discovery 1.0 (4.3), RFC 7636, RFC 9207.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote_plus

import httpx
import jwt

from iam.config import Upstream
from iam.core.federation import ALGORITHMS, Match, Person, parse_person, refused
from iam.core.oauth import with_fields
from iam.shell.keep import Keep, digest
from iam.shell.people import People
from ultracloud.api.iam.v1 import iam_pb2
from ultracloud.api.iam.v1 import identity_state_pb2 as pb
from ultracloud.base.attenuation import encoded
from ultracloud.base.faults import UnauthenticatedError, UnavailableError
from ultracloud.base.tokens import CLOCK_SKEW_S
from ultracloud.servicekit.clock import Clock

CALLBACK = "/login/callback"
STATE_S = 600
"""For logging in elsewhere."""
TIMEOUT_S = 10.0
KNOWN_MS = 3_600_000
"""How long discovery and keys are believed; a key that is not among them is asked for anew."""
ANSWER_BYTES_MAX = 1024 * 1024
RANDOM_BYTES = 32
SCOPE = "openid profile email"


class Federation:
    """Sends people to other issuers and believes what those say."""

    def __init__(
        self, upstreams: tuple[Upstream, ...], keep: Keep, people: People, issuer: Callable[[], str], clock: Clock
    ) -> None:
        self._parties = {one.name: _Party(one, clock) for one in upstreams}
        self._keep = keep
        self._people = people
        self._issuer = issuer
        self._clock = clock

    def names(self) -> list[str]:
        """Which there are."""
        return list(self._parties)

    async def begin(self, name: str, to: str, binding: str) -> str:
        """Where to send a browser that wants to log in through `name`, and then go `to`.

        Args:
            name: Of the upstream.
            to: A path of ours.
            binding: What this browser alone has; it must come back with it.

        Raises:
            UnauthenticatedError: There is no such upstream.
            UnavailableError: It does not answer.
        """
        party = self._parties.get(name)
        if party is None:
            raise refused("there is no such issuer here")
        state, nonce, verifier = (encoded(self._clock.entropy(RANDOM_BYTES)) for _ in range(3))
        kept = json.dumps({"name": name, "to": to, "binding": binding, "nonce": nonce, "verifier": verifier})
        ticket = pb.TicketState(challenge=kept.encode(), ends_at_ms=self._clock.now_ms() + STATE_S * 1000)
        await self._keep.change(_ticket(state), pb.TicketState, lambda message: message.CopyFrom(ticket))
        return with_fields(
            (await party.discovery())["authorization_endpoint"],
            {
                "response_type": "code",
                "client_id": party.settings.client_id,
                "redirect_uri": self._issuer() + CALLBACK,
                "scope": SCOPE,
                "state": state,
                "nonce": nonce,
                "code_challenge": encoded(hashlib.sha256(verifier.encode()).digest()),
                "code_challenge_method": "S256",
            },
        )

    async def finish(self, fields: Mapping[str, str], binding: str) -> tuple[iam_pb2.User, str]:
        """Who has come back, and where they wanted to go.

        Raises:
            UnauthenticatedError: Nobody whom we know.
            UnavailableError: The upstream does not answer.
        """
        ticket = await self._keep.take(_ticket(fields.get("state", "")), pb.TicketState)
        if ticket is None:
            raise refused("it took too long, or was used before")
        asked: dict[str, str] = json.loads(ticket.challenge)
        if not binding or asked["binding"] != binding:
            raise refused("it was begun in another browser")
        party = self._parties.get(asked["name"])
        if party is None or fields.get("iss", party.settings.issuer) != party.settings.issuer:
            raise refused("the answer is another issuer's")
        if "code" not in fields:
            raise refused(f"it says {fields.get('error', 'nothing')[:80]!a}")
        token = await party.id_token(fields["code"], asked["verifier"], self._issuer() + CALLBACK)
        person = parse_person(await party.verified(token), asked["nonce"], Match(party.settings.match))
        return await self._known(party.settings, person), asked["to"]

    async def close(self) -> None:
        """End the connections."""
        for party in self._parties.values():
            await party.close()

    async def _known(self, settings: Upstream, person: Person) -> iam_pb2.User:
        """The user whom a person elsewhere is; matched once, and by their id from then on."""
        kept = await self._keep.get(_link(f"{settings.issuer}\0{person.subject}"), pb.TicketState)
        if kept.is_there:
            user = await self._people.by_id(kept.message.user)
        else:
            user = await self._sought(settings, person.sought)
        if user is None or user.spec.disabled or not self._people.is_of(user, settings.organisation):
            raise refused("it let you in, but you are no user here; ask an admin")
        if not kept.is_there:
            # The other way round too: who comes later with the same name or address there is somebody else.
            back = await self._keep.get(_link(f"{settings.issuer}\0\0{user.metadata.id}"), pb.TicketState)
            link = pb.TicketState(user=user.metadata.id)
            if back.is_there or not await self._keep.write(back, link, {kept.key: link.SerializeToString()}):
                raise refused("you are known by another account there; ask an admin")
        return user

    async def _sought(self, settings: Upstream, sought: str) -> iam_pb2.User | None:
        if settings.match == "email":
            return await self._people.by_email(sought)
        return await self._people.by_login(f"{sought}@{settings.organisation}")


class _Party:
    """One upstream."""

    def __init__(self, settings: Upstream, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._client: httpx.AsyncClient | None = None
        self._known: dict[str, str] = {}
        self._keys: dict[str, jwt.PyJWK] = {}
        self._known_until_ms = 0

    async def discovery(self) -> dict[str, str]:
        """Its endpoints."""
        if self._clock.now_ms() >= self._known_until_ms:
            await self._learn()
        return self._known

    async def id_token(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The ID token for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        secret = _secret(self.settings.client_secret_file)
        auth = None
        if secret:
            auth = httpx.BasicAuth(quote_plus(self.settings.client_id), quote_plus(secret))
        else:
            form["client_id"] = self.settings.client_id
        said = await self._json("POST", (await self.discovery())["token_endpoint"], data=form, auth=auth)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise refused("it gave no ID token")
        return token

    async def verified(self, token: str) -> dict[str, object]:
        """The claims of an ID token of this issuer for us.

        Raises:
            UnauthenticatedError: It is not.
        """
        try:
            header = jwt.get_unverified_header(token)
            kid = str(header.get("kid", ""))
            if kid not in self._keys:
                await self._learn()
            key = self._keys.get(kid)
            if key is None or key.algorithm_name not in ALGORITHMS:
                raise refused("its ID token is signed with a key that it does not publish")
            claims: dict[str, object] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm_name],
                audience=self.settings.client_id,
                issuer=self.settings.issuer,
                leeway=CLOCK_SKEW_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.InvalidTokenError as error:
            raise UnauthenticatedError(
                "the other login was not accepted: its ID token does not verify",
                detail=repr(error),
                reason="UPSTREAM_REFUSED",
            ) from None
        return claims

    async def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            await self._client.aclose()

    async def _learn(self) -> None:
        """Read discovery and keys."""
        said = await self._json("GET", f"{self.settings.issuer}/.well-known/openid-configuration")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if said.get("issuer") != self.settings.issuer or not all(
            _is_safe(said.get(name), self.settings) for name in names
        ):
            raise UnavailableError("the other issuer's discovery is not its own; try again later")
        known = {name: str(said[name]) for name in names}
        try:
            published = jwt.PyJWKSet.from_dict(await self._json("GET", known["jwks_uri"]))
        except jwt.PyJWKSetError as error:
            raise UnavailableError("the other issuer publishes no usable keys", detail=repr(error)) from error
        self._keys = {key.key_id: key for key in published.keys if key.key_id}
        self._known, self._known_until_ms = known, self._clock.now_ms() + KNOWN_MS

    async def _json(self, method: str, url: str, **more: object) -> dict[str, object]:
        """What it answers."""
        if self._client is None:
            ca = self.settings.ca
            context = ssl.create_default_context(cafile=str(ca) if ca else None)
            self._client = httpx.AsyncClient(verify=context, timeout=TIMEOUT_S, trust_env=False)
        try:
            answer = await self._client.request(method, url, **more)  # type: ignore[arg-type]
            said = json.loads(answer.content[:ANSWER_BYTES_MAX])
        except (httpx.HTTPError, ValueError) as error:
            raise UnavailableError(
                "the other issuer does not answer; try again in a moment", detail=f"{url}: {error!r}"
            ) from error
        if not isinstance(said, dict) or answer.status_code >= 400:  # noqa: PLR2004 - an error of HTTP
            raise refused("it refuses what it gave before")
        return said


def _is_safe(endpoint: object, settings: Upstream) -> bool:
    """Whether an endpoint is as safe to use as its issuer."""
    return isinstance(endpoint, str) and endpoint.startswith(settings.issuer.partition("//")[0] + "//")


def _secret(file: Path | None) -> str:
    """The client's secret; read each time, so that it can be replaced under a running iam."""
    try:
        return file.read_text().strip() if file else ""
    except OSError as error:
        raise UnavailableError("the secret for the other issuer cannot be read", detail=str(error)) from error


def _ticket(state: str) -> bytes:
    return f"~t/upstream/{digest(state)}".encode()


def _link(who: str) -> bytes:
    return f"~l/{digest(who)}".encode()
