"""`chainfire why`: looks at all members, tries a few writes, and says what refuses or slows them."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from chainfire.core.commands import Alarm
from chainfire.core.why import Finding, Gauges, Seen, Sighting, Trial, Weight, judge
from chainfire.shell.commands.connections import (
    Access,
    Endpoint,
    access_of,
    add_connection_arguments,
    endpoints,
    first_answer,
    run,
    sentence,
)
from ultracloud.api.etcd import rpc_pb2
from ultracloud.base.faults import Fault, PermissionDeniedError, UnauthenticatedError
from ultracloud.servicekit.printing import add_output_argument, print_json, say

WRITES = 5
"""Enough for a middle, and over in an instant where all is well."""
TRIAL_TTL_S = 10
"""If we die between grant and revoke, the lease goes by itself."""
PAGE_BYTES_MAX = 16 << 20
TOLD_OTHERWISE = ("alarm", "no leader")
"""Words in what a member says of itself that alarms and leaders, which are looked at anyway, say better."""

_QUOTA, _PENDING = "etcd_server_quota_backend_bytes", "etcd_server_proposals_pending"
_FSYNC, _ROUND_TRIP = "etcd_disk_wal_fsync_duration_seconds", "etcd_network_peer_round_trip_time_seconds"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `why`."""
    parser.description = (
        "Looks at all members and tries a few writes that leave nothing behind (leases, granted and revoked). "
        "Exit code 0: writes are accepted and not slow; 1: they are refused or slow, and the answer says why."
    )
    add_connection_arguments(parser)
    add_output_argument(parser)
    parser.set_defaults(run=_why)


def _why(arguments: argparse.Namespace) -> int:
    access = access_of(arguments)

    async def whole() -> int:
        async with endpoints(access) as members:
            findings = judge(await _look(access, members))
        _print(findings, arguments.output)
        return 1 if any(finding.weight is not Weight.RISK for finding in findings) else 0

    return run(whole)


def _print(findings: Sequence[Finding], output: str) -> None:
    if output == "json":
        print_json(
            [
                {"weight": each.weight.value, "cause": each.cause, "says": each.says, "remedy": each.remedy}
                for each in findings
            ]
        )
        return
    if not findings:
        say("Writes are accepted, and nothing slows them.")
    for each in findings:
        say(f"[{each.weight.value}] {each.says}")
        say(f"    {each.remedy}")


async def _look(access: Access, members: Sequence[Endpoint]) -> Seen:
    """See all there is to see. Who does not answer is asked once: each time takes seconds."""
    first = await asyncio.gather(*map(_sight, members))
    there = [member for member, sighting in zip(members, first, strict=True) if not sighting.failure]
    if not there:
        return Seen(tuple(first), Trial(), {})
    before = await asyncio.gather(*(_gauges(access, member.address) for member in there))
    trial, voters, alarms = await asyncio.gather(_try_writes(there), _voters(there), _alarms(there))
    after = await asyncio.gather(*(_gauges(access, member.address) for member in there))
    again = await asyncio.gather(*map(_sight, there))
    seen = {sighting.address: sighting for sighting in first} | {
        sighting.address: replace(sighting, gauges=_since(old, new))
        for sighting, old, new in zip(again, before, after, strict=True)
    }
    return Seen(tuple(seen.values()), trial, voters, alarms)


async def _sight(member: Endpoint) -> Sighting:
    try:
        said = await member.maintenance.status(rpc_pb2.StatusRequest())
    except (PermissionDeniedError, UnauthenticatedError) as fault:
        # It is there, and it is not for us to know how it is.
        return Sighting(member.address, errors=(sentence(fault),))
    except Fault as fault:
        return Sighting(member.address, failure=sentence(fault))
    return Sighting(
        member.address,
        member=said.header.member_id,
        leader=said.leader,
        index=said.raftIndex,
        stored_bytes=said.dbSize,
        live_bytes=said.dbSizeInUse,
        is_learner=said.isLearner,
        errors=tuple(error for error in said.errors if not any(word in error.lower() for word in TOLD_OTHERWISE)),
    )


async def _try_writes(members: Sequence[Endpoint]) -> Trial:
    seconds: list[float] = []
    try:
        for _ in range(WRITES):
            began = time.monotonic()
            asked, lease = await first_answer(
                members, lambda each: each.lease.lease_grant(rpc_pb2.LeaseGrantRequest(TTL=TRIAL_TTL_S))
            )
            seconds.append(time.monotonic() - began)
            await asked.lease.lease_revoke(rpc_pb2.LeaseRevokeRequest(ID=lease.ID))
    except Fault as fault:
        return Trial(sentence(fault), tuple(seconds))
    return Trial("", tuple(seconds))


async def _voters(members: Sequence[Endpoint]) -> dict[int, str]:
    """Who votes, as far as any member knows."""
    request = rpc_pb2.MemberListRequest(linearizable=False)
    try:
        _, answer = await first_answer(members, lambda each: each.cluster.member_list(request))
    except Fault:
        return {}
    return {each.ID: each.name or f"{each.ID:x}" for each in answer.members if not each.isLearner}


async def _alarms(members: Sequence[Endpoint]) -> tuple[tuple[int, Alarm], ...]:
    request = rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.GET)
    try:
        _, answer = await first_answer(members, lambda each: each.maintenance.alarm(request))
    except Fault:
        return ()
    return tuple((each.memberID, Alarm(each.alarm)) for each in answer.alarms)


async def _gauges(access: Access, address: str) -> Gauges:
    """What a member measures; nothing where it cannot be read."""
    if address.startswith("unix:"):
        return Gauges()
    try:
        async with asyncio.timeout(access.timeout_s):
            text = await asyncio.to_thread(_page, access, address)
        return _parsed(list(text_string_to_metric_families(text)))
    except (OSError, TimeoutError, ValueError, http.client.HTTPException):
        return Gauges()


def _page(access: Access, address: str) -> str:
    """The metrics page of a member."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=access.timeout_s)
    try:
        if access.identity is not None:
            context = ssl.create_default_context(cafile=str(access.identity.ca))
            context.load_cert_chain(access.identity.certificate, access.identity.key)
            connection.connect()
            connection.sock = context.wrap_socket(connection.sock, server_hostname=access.server_name)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        return answer.read(PAGE_BYTES_MAX).decode(errors="replace") if answer.status == http.client.OK else ""
    finally:
        connection.close()


def _parsed(families: Sequence[Metric]) -> Gauges:
    return Gauges(
        quota_bytes=_number(families, _QUOTA),
        pending=_number(families, _PENDING),
        fsync=_buckets(families, _FSYNC),
        round_trip=_buckets(families, _ROUND_TRIP),
    )


def _number(families: Iterable[Metric], name: str) -> int | None:
    found = [sample.value for family in families for sample in family.samples if sample.name == name]
    return int(found[0]) if found else None


def _buckets(families: Iterable[Metric], name: str) -> tuple[tuple[float, float], ...]:
    """Counts by upper bound, of all labels together."""
    found: dict[float, float] = {}
    for family in families:
        for sample in family.samples:
            if sample.name == f"{name}_bucket":
                bound = float(sample.labels["le"])
                found[bound] = found.get(bound, 0) + sample.value
    return tuple(sorted(found.items()))


def _since(old: Gauges, new: Gauges) -> Gauges:
    """What was counted between two looks, where that is something: a slow start long ago slows nobody now."""
    return replace(new, fsync=_between(old.fsync, new.fsync), round_trip=_between(old.round_trip, new.round_trip))


def _between(
    old: tuple[tuple[float, float], ...], new: tuple[tuple[float, float], ...]
) -> tuple[tuple[float, float], ...]:
    before = dict(old)
    counted = tuple((bound, count - before.get(bound, 0)) for bound, count in new)
    return counted if counted and counted[-1][1] >= WRITES else new
