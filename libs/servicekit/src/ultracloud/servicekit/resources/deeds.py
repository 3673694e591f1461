"""Audit records of deeds that change no resource of the kit: a certificate issued, a secret read."""

from __future__ import annotations

from collections.abc import Mapping

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.origin import source_of
from ultracloud.servicekit.resources.audit import TEXT_LENGTH_MAX
from ultracloud.servicekit.resources.records import timestamp


def deed(
    call: Call,
    clock: Clock,
    principal: str,
    permission: str,
    resource: str,
    facts: Mapping[str, str] = {},
) -> pb.AuditRecord:
    """The record of what a call does; give it to `Trail.record` before it is done, so that nothing is done unseen.

    Args:
        call: Which call.
        clock: Time.
        principal: Who does it.
        permission: ``iam.secrets.access``.
        resource: Path in the resource tree.
        facts: What else there is to know, by name: the serial of a certificate.
    """
    return pb.AuditRecord(
        time=timestamp(clock.now_ms()),
        principal=principal,
        source=source_of(call),
        request=deadlines.TRACE.get() or deadlines.trace_of(call.metadata),
        permission=permission,
        resource=resource,
        changes=[pb.FieldChange(path=name, new=text[:TEXT_LENGTH_MAX]) for name, text in facts.items()],
    )
