"""OIDC clients: programs that people log in to, as resources of an organisation; and how one proves to be one.

Source: RFC 6749 2.3 (client authentication: client_secret_basic, client_secret_post, none).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from urllib.parse import unquote_plus

from iam.core.issuing import PERMISSION, require_all_powers
from iam.core.oauth import BUILT_IN, CLIENT_PREFIX, Client, OAuthError, is_registrable
from iam.core.powers import require_powers
from iam.shell.keep import Keep, digest
from iam.shell.kinds import ORGANISATION
from ultracloud.api.iam.v1 import identity_pb2 as pb
from ultracloud.api.iam.v1 import identity_state_pb2 as state_pb
from ultracloud.api.iam.v1.identity_rpc import OIDC_CLIENTS
from ultracloud.api.rpc import Call
from ultracloud.base.accounts import account_path, find_account
from ultracloud.base.attenuation import encoded
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError
from ultracloud.base.policy import decide, find_project, require
from ultracloud.base.principals import SERVICE_ACCOUNT_PREFIX
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.resources import Context, Kind, KindServer, Resources, Scope

REDIRECT_URIS_MAX = 20
DESCRIPTION_LENGTH_MAX = 1000
SECRET_PREFIX = "ucs_"  # noqa: S105 - how secrets begin
SECRET_BYTES = 32
OVERLAP_MS = 3_600_000
"""How long the secret before is good: for the programs that have not been told yet."""


async def _admit(context: Context, new: pb.OidcClient, old: pb.OidcClient | None) -> pb.OidcClient:
    if len(new.spec.description) > DESCRIPTION_LENGTH_MAX:
        raise InvalidArgumentError(
            f"description has over {DESCRIPTION_LENGTH_MAX} characters", reason="DESCRIPTION_TOO_LONG"
        )
    if len(new.spec.redirect_uris) > REDIRECT_URIS_MAX:
        raise InvalidArgumentError(f"at most {REDIRECT_URIS_MAX} redirect_uris are accepted", reason="TOO_MANY_URIS")
    if len(new.spec.post_logout_redirect_uris) > REDIRECT_URIS_MAX:
        raise InvalidArgumentError(
            f"at most {REDIRECT_URIS_MAX} post_logout_redirect_uris are accepted", reason="TOO_MANY_URIS"
        )
    for uri in (*new.spec.redirect_uris, *new.spec.post_logout_redirect_uris):
        if not is_registrable(uri):
            raise InvalidArgumentError(
                f"redirect_uri {uri[:200]!a} is not accepted; accepted: https://<host>/..., http://127.0.0.1/... "
                "and http://[::1]/..., without a fragment",
                reason="REDIRECT_URI_INVALID",
            )
    if new.spec.is_public and new.spec.service_account:
        raise InvalidArgumentError(
            "a public client keeps no secret, so it cannot speak for a service account", reason="CLIENT_PUBLIC"
        )
    if old is None and await context.read(ORGANISATION, context.place.id) is None:
        raise FailedPreconditionError(f"{context.place.shown} has been deleted", reason="PLACE_GONE")
    _require_api_powers(context, new)
    new.spec.service_account = _account(context, new.spec.service_account)
    return new


def _require_api_powers(context: Context, client: pb.OidcClient) -> None:
    """Whoever has a say in a client with `api_access` could act for all who log in there, so must hold all they may."""
    if client.spec.api_access:
        place = f"organisations/{client.metadata.project}"
        deed = "let a client act for whoever logs in to it"
        require_powers(context.resources.authority.snapshot.policy, context.principal, ["*.*.*"], place, deed)


def _account(context: Context, ref: str) -> str:
    """The id of the service account that a client is to speak for; who says so must hold what it holds."""
    if not ref:
        return ""
    policy, caller = context.resources.authority.snapshot.policy, context.principal
    known = policy.account_of_principal.get(f"{SERVICE_ACCOUNT_PREFIX}{ref}")
    if known is None:
        project, _, name = ref.rpartition("/")
        known = find_account(policy, find_project(policy, caller, project), name)
    require(decide(policy, caller, PERMISSION, account_path(policy, known)))
    deed = f"let a client speak for {known.name}, whose powers exceed yours"
    require_all_powers(policy, caller, f"{SERVICE_ACCOUNT_PREFIX}{known.id}", deed)
    return known.id


OIDC_CLIENT = Kind(
    name="OidcClient",
    prefix=CLIENT_PREFIX,
    service=OIDC_CLIENTS,
    message=pb.OidcClient,
    scope=Scope.ORGANISATION,
    admit=_admit,
    guards=lambda message: (f"organisation/{message.metadata.project}",),
)


class OidcClientsServer(KindServer[pb.OidcClient]):
    """Serves ultracloud.iam.v1.OidcClients."""

    def __init__(self, resources: Resources, keep: Keep) -> None:
        super().__init__(resources, OIDC_CLIENT)
        self._keep = keep

    async def new_secret(self, request: pb.NewSecretRequest, call: Call) -> pb.NewSecretResponse:
        """Make a secret; it is in the answer and nowhere else."""
        with deadlines.inside(call):
            located = await self.locate(call, "newsecret", request.project, request.ref)
            client = located.stored.message
            if client.spec.is_public:
                raise FailedPreconditionError("a public client has no secret", reason="CLIENT_PUBLIC")
            _require_api_powers(located.context, client)
            _account(located.context, client.spec.service_account)
            secret = SECRET_PREFIX + encoded(self.resources.clock.entropy(SECRET_BYTES))
            now_ms = self.resources.clock.now_ms()

            def change(kept: state_pb.ClientSecretState) -> None:
                if kept.digest:
                    kept.previous_digest, kept.previous_until_ms = kept.digest, now_ms + OVERLAP_MS
                kept.digest = bytes.fromhex(digest(secret))

            identifier = client.metadata.id
            await self._keep.change(_secret_key(identifier), state_pb.ClientSecretState, change)
            return pb.NewSecretResponse(client_id=identifier, client_secret=secret)


class ClientBook:
    """Finds clients, and tells whether one is who it says."""

    def __init__(self, resources: Resources, keep: Keep, clock: Clock) -> None:
        self._resources = resources
        self._keep = keep
        self._clock = clock

    async def find(self, client_id: str) -> Client | None:
        """The client with this id."""
        if client_id in BUILT_IN:
            return BUILT_IN[client_id]
        found = await self._resources.read(OIDC_CLIENT, client_id)
        if found is None or found.metadata.HasField("deleted_at"):
            return None
        spec = found.message.spec
        return Client(
            id=found.metadata.id,
            name=found.metadata.name,
            organisation=found.metadata.project,
            redirect_uris=tuple(spec.redirect_uris),
            is_public=spec.is_public,
            api_access=spec.api_access,
            service_account=spec.service_account,
            is_trusted=spec.trusted,
            post_logout_redirect_uris=tuple(spec.post_logout_redirect_uris),
        )

    async def authenticate(self, fields: Mapping[str, str], authorization: str) -> Client:
        """The client that asks.

        Raises:
            OAuthError: None of ours, or its secret is wrong.
        """
        client_id, secret = _claimed(fields, authorization)
        client = await self.find(client_id)
        if (
            client is None
            or (client.is_public and secret)
            or not (client.is_public or await self._is_right(client, secret))
        ):
            raise _unknown()
        return client

    async def _is_right(self, client: Client, secret: str) -> bool:
        kept = (await self._keep.get(_secret_key(client.id), state_pb.ClientSecretState)).message
        given = bytes.fromhex(digest(secret))
        is_previous = self._clock.now_ms() < kept.previous_until_ms and hmac.compare_digest(kept.previous_digest, given)
        return hmac.compare_digest(kept.digest, given) or is_previous


def _claimed(fields: Mapping[str, str], authorization: str) -> tuple[str, str]:
    """Id and secret, from the header or from the form, never both (RFC 6749 2.3)."""
    if not authorization:
        return fields.get("client_id", ""), fields.get("client_secret", "")
    scheme, _, credentials = authorization.partition(" ")
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise _unknown() from None
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon or "client_secret" in fields:
        raise _unknown()
    return unquote_plus(client_id), unquote_plus(secret)


def _unknown() -> OAuthError:
    return OAuthError("invalid_client", "no such client, or its secret is wrong", 401)


def _secret_key(client: str) -> bytes:
    return f"~o/{client}".encode()
