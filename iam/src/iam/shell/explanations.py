"""An explanation as it is answered: in fields, and in words that tell nobody what is another tenant's."""

from __future__ import annotations

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.base.explaining import Change, Considered, Explanation
from ultracloud.base.policy import Policy, Principal, describe_principal, resource_for
from ultracloud.base.wording import describe_role


def render_explanation(policy: Policy, caller: Principal, subject: Principal, made: Explanation) -> pb.ExplainResponse:
    """The answer to `caller` about `subject`."""
    reason = made.decision.reason
    if caller.is_tenant and subject.is_tenant and subject.organisation != caller.organisation:
        # Whoever binds somebody of another organisation by id learns nothing else of them.
        reason = reason.replace(describe_principal(policy, subject.id), subject.id.replace(":", " ", 1))
    return pb.ExplainResponse(
        allowed=made.decision.allowed,
        reason=reason,
        why=made.decision.why.value,
        binding=made.decision.binding,
        decided_by=_binding(policy, caller, made.decided_by) if made.decided_by else None,
        considered=[_binding(policy, caller, one) for one in made.considered],
        context=made.context,
        change=_change(policy, caller, made.change) if made.change else None,
    )


def _binding(policy: Policy, caller: Principal, one: Considered) -> pb.ExplainedBinding:
    binding = one.binding
    group = policy.group_of_principal.get(one.group)
    is_ours = group is not None and (not caller.is_tenant or group.organisation == caller.organisation)
    return pb.ExplainedBinding(
        binding=binding.id,
        name=binding.name,
        role=describe_role(policy, binding.role),
        resource=binding.resource,
        place=resource_for(policy, caller, binding.resource),
        group=one.group,
        group_name=group.name if group is not None and is_ours else "",
        deny=binding.deny,
        condition=binding.condition,
        holds=one.counts,
        failure=one.outcome.failure,
    )


def _change(policy: Policy, caller: Principal, change: Change) -> pb.ExplainedChange:
    return pb.ExplainedChange(
        remove=[one.id for one in change.remove],
        role=change.role,
        resource=change.place,
        place=resource_for(policy, caller, change.place) if change.role else "",
        advice=change.advice,
    )
