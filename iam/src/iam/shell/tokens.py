"""The Tokens service: short-lived signed tokens of service accounts, and who a caller is.

Every token for our API can be narrowed by its holder: it ends in the secret that signs the first narrowing.

Source: RFC 7515 (JWS compact serialisation), RFC 8037 (EdDSA).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import jwt
from google.protobuf.timestamp_pb2 import Timestamp

from iam.core.issuing import PERMISSION, Wanted, WorkloadWanted, issue, issue_workload
from iam.shell.keys import Keys
from iam.shell.source import Source
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.accounts import WORKLOAD_PERMISSION, account_path, find_account
from ultracloud.base.attenuation import KEY_BYTES, Chain, joined
from ultracloud.base.ed25519 import Ed25519
from ultracloud.base.faults import NotFoundError
from ultracloud.base.policy import Principal, Project, ServiceAccount, project_path, require, revocation
from ultracloud.base.tokens import ALGORITHM, Claims, check_ttl, render_claims
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.clock import Clock, new_id
from ultracloud.servicekit.policy import authorise, resolve_project
from ultracloud.servicekit.resources.denials import note_asked

_audit = logging.getLogger("audit")


class TokensServer:
    """Serves ultracloud.iam.v1.Tokens."""

    def __init__(self, source: Source, keys: Keys, clock: Clock, issuer: Callable[[], str]) -> None:
        self._source = source
        self._issuer = issuer
        self._keys = keys
        self._clock = clock

    async def issue(self, request: pb.IssueTokenRequest, call: Call) -> pb.IssueTokenResponse:
        """Sign a token of a service account."""
        with deadlines.inside(call):
            caller = principal_of(call)
            note_asked(call, request.project, request.service_account)
            project = await resolve_project(self._source, caller, request.project, PERMISSION)
            account = await self._account(caller, project, request.service_account)
            policy = self._source.snapshot.policy
            await authorise(self._source, caller, PERMISSION, account_path(policy, account))
            now_s, secret = self._clock.now_ms() // 1000, self._clock.entropy(KEY_BYTES)
            wanted = Wanted(account, request.ttl_s, now_s, new_id(self._clock, "token"), Ed25519().public_of(secret))
            claims = issue(self._source.snapshot.policy, caller, wanted)
            token = signed(self._keys, claims, secret)
            place = account_path(policy, account)
            extra = {"principal": caller.id, "permission": PERMISSION, "resource": place, "token": claims.token_id}
            _audit.info("issue a token of %s", place, extra=extra)
            return pb.IssueTokenResponse(token=token, expires_at=Timestamp(seconds=claims.expires_at_s))

    async def issue_workload(self, request: pb.IssueWorkloadTokenRequest, call: Call) -> pb.IssueWorkloadTokenResponse:
        """Sign a token with which a service account proves to another system who it is."""
        with deadlines.inside(call):
            caller = principal_of(call)
            note_asked(call, request.project, request.service_account)
            project = await resolve_project(self._source, caller, request.project, WORKLOAD_PERMISSION)
            account = await self._account(caller, project, request.service_account, WORKLOAD_PERMISSION)
            policy = self._source.snapshot.policy
            place = account_path(policy, account)
            await authorise(self._source, caller, WORKLOAD_PERMISSION, place)
            wanted = WorkloadWanted(
                account,
                request.audience,
                request.ttl_s,
                self._issuer(),
                self._clock.now_ms() // 1000,
                new_id(self._clock, "token"),
                request.workload,
            )
            claims = issue_workload(self._source.snapshot.policy, caller, wanted)
            kid, private = self._keys.p256_signer()
            token = jwt.encode(claims, private, algorithm="ES256", headers={"kid": kid})
            extra = {"principal": caller.id, "permission": WORKLOAD_PERMISSION, "resource": place}
            _audit.info(
                "issue a token of %s for %s", place, request.audience, extra={**extra, "token": wanted.token_id}
            )
            expires_at_s = wanted.now_s + check_ttl(request.ttl_s)
            return pb.IssueWorkloadTokenResponse(token=token, expires_at=Timestamp(seconds=expires_at_s))

    def who_am_i(self, _request: pb.WhoAmIRequest, call: Call) -> pb.WhoAmIResponse:
        """Say who calls."""
        caller = principal_of(call)
        revoked = revocation(self._source.snapshot.policy, caller)
        if revoked is not None:
            require(revoked)
        answer = pb.WhoAmIResponse(principal=caller.id, organisation=caller.organisation, project=caller.project)
        if caller.is_tenant:
            answer.expires_at.seconds = caller.expires_at_ms // 1000
        return answer

    async def _account(
        self, caller: Principal, project: Project, ref: str, permission: str = PERMISSION
    ) -> ServiceAccount:
        """The account; whoever may not issue for the whole project does not learn which accounts it lacks."""
        try:
            return find_account(self._source.snapshot.policy, project, ref)
        except NotFoundError:
            await authorise(self._source, caller, permission, project_path(project))
            raise


def signed(keys: Keys, claims: Claims, secret: bytes = b"") -> str:
    """The token that says `claims`; attenuable if `secret`, the private half of their key, is given.

    Raises:
        UnavailableError: The signing keys have not been read since the start.
    """
    kid, private = keys.signer()
    text = jwt.encode(render_claims(claims), private, algorithm=ALGORITHM, headers={"kid": kid})
    return joined(text, Chain((), secret)) if secret else text
