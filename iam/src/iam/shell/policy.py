"""The Policy service: the policy every service decides from, as a stream; and why a decision is what it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from iam.core.references import resolve_principal, resolve_resource
from iam.shell.explanations import render_explanation
from iam.shell.source import Source
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.conditions import Circumstances
from ultracloud.base.explaining import explain
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.permissions import check_permission
from ultracloud.base.policy import Policy, Principal
from ultracloud.base.principals import (
    GROUP_PREFIX,
    SERVICE_ACCOUNT_PREFIX,
    USER_PREFIX,
    service_account_principal,
    spiffe_principal,
    user_principal,
)
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.policy import authorise


class PolicyServer:
    """Serves ultracloud.iam.v1.Policy."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def watch(self, request: pb.WatchPolicyRequest, call: Call) -> AsyncIterator[pb.PolicySnapshot]:
        """Send what changed whenever something did; a slow reader gets many changes as one."""
        caller, known = principal_of(call), request.known_version
        await authorise(self._source, caller, "iam.policy.watch", "")
        while True:
            await self._source.wait_other(known)
            async for message in self._source.messages_since(known):
                yield message
                known = message.version

    async def explain(self, request: pb.ExplainRequest, call: Call) -> pb.ExplainResponse:
        """Say what a principal may, which binding says so, and what would change it."""
        with deadlines.inside(call):
            caller, policy = principal_of(call), self._source.snapshot.policy
            permission = check_permission(request.permission)
            resource = resolve_resource(policy, caller, request.resource)
            asked = resolve_principal(policy, caller, request.principal) if request.principal else caller.id
            if asked.startswith(GROUP_PREFIX):
                raise InvalidArgumentError(
                    "a group never asks; ask about one of its members", reason="PRINCIPAL_INVALID"
                )
            if asked != caller.id:
                await authorise(self._source, caller, "iam.policy.explain", resource)
            subject = caller if asked == caller.id else _principal(policy, asked)
            subject = replace(subject, source=request.source_address or caller.source)
            now_ms = request.at.ToMilliseconds() if request.HasField("at") else self._source.now_ms()
            circumstances = Circumstances(now_ms, dict(request.labels))
            made = explain(policy, subject, permission, resource, circumstances)
            return render_explanation(policy, caller, subject, made)


def _principal(policy: Policy, identifier: str) -> Principal:
    """The principal with this id, which exists or is a certificate's."""
    if identifier.startswith(USER_PREFIX):
        user = policy.user_of_principal.get(identifier)
        return user_principal(identifier.removeprefix(USER_PREFIX), user.organisation if user else "")
    if not identifier.startswith(SERVICE_ACCOUNT_PREFIX):
        return spiffe_principal(identifier)
    account = policy.account_of_principal.get(identifier)
    project = policy.project_of_id.get(account.project) if account else None
    return service_account_principal(
        identifier.removeprefix(SERVICE_ACCOUNT_PREFIX),
        project.organisation if project else "",
        project.id if project else "",
    )
