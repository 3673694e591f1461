"""`chainfire endpoint status | health`, `alarm list | disarm`, `compact`, `defrag`."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from chainfire.shell.commands.connections import (
    Endpoint,
    access_of,
    add_connection_arguments,
    endpoints,
    first_answer,
    run,
    sentence,
)
from ultracloud.api.etcd import rpc_pb2
from ultracloud.base.faults import Fault, PermissionDeniedError
from ultracloud.servicekit.printing import Cell, add_output_argument, print_one, print_rows

HEALTH_KEY = b"health"
"""etcdctl's: reading it, whether it exists or not, takes a majority."""

Ask = Callable[[argparse.Namespace, Sequence[Endpoint]], Awaitable[int]]
Row = dict[str, Cell | Sequence[str]]


def configure_endpoint(parser: argparse.ArgumentParser) -> None:
    """Add the commands below `endpoint`."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _asking(commands.add_parser("status", help="version, sizes, leader, log and troubles of each member"), _status)
    _asking(commands.add_parser("health", help="whether each member can serve what takes a majority"), _health)


def configure_alarm(parser: argparse.ArgumentParser) -> None:
    """Add the commands below `alarm`."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _asking(commands.add_parser("list", help="list raised alarms"), _alarms)
    _asking(commands.add_parser("disarm", help="disarm all alarms, once there is room again"), _disarm)


def configure_compact(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `compact`."""
    parser.add_argument("revision", type=int, metavar="REVISION", help="reads and watches below it are refused then")
    parser.add_argument("--physical", action="store_true", help="wait until the space is free")
    _asking(parser, _compact)


def configure_defrag(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `defrag`."""
    _asking(parser, _defrag)


def _asking(parser: argparse.ArgumentParser, ask: Ask) -> None:
    """Make a parser one that asks members."""

    def start(arguments: argparse.Namespace) -> int:
        access = access_of(arguments)

        async def whole() -> int:
            async with endpoints(access) as members:
                return await ask(arguments, members)

        return run(whole)

    add_connection_arguments(parser)
    add_output_argument(parser)
    parser.set_defaults(run=start)


async def _status(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    rows = await asyncio.gather(*map(_status_of, members))
    print_rows(rows, arguments.output)
    return 1 if any(row["errors"] for row in rows) else 0


async def _status_of(member: Endpoint) -> Row:
    try:
        said = await member.maintenance.status(rpc_pb2.StatusRequest())
    except Fault as fault:
        said, failure = rpc_pb2.StatusResponse(), [sentence(fault)]
    else:
        failure = []
    me = said.header.member_id
    return {
        "endpoint": member.address,
        "id": f"{me:x}",
        "version": said.version,
        "db_size": said.dbSize,
        "in_use": said.dbSizeInUse,
        "is_leader": bool(me) and said.leader == me,
        "is_learner": said.isLearner,
        "term": said.raftTerm,
        "index": said.raftIndex,
        "applied": said.raftAppliedIndex,
        "revision": said.header.revision,
        "errors": failure or list(said.errors),
    }


async def _health(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    rows = await asyncio.gather(*map(_health_of, members))
    print_rows(rows, arguments.output)
    return 0 if all(row["is_healthy"] for row in rows) else 1


async def _health_of(member: Endpoint) -> Row:
    began, trouble = time.monotonic(), ""
    try:
        await member.kv.range(rpc_pb2.RangeRequest(key=HEALTH_KEY))
        raised = await member.maintenance.alarm(rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.GET))
        trouble = ", ".join(f"alarm {rpc_pb2.AlarmType.Name(each.alarm)}" for each in raised.alarms)
    except PermissionDeniedError:
        # Who is refused was answered by a majority.
        pass
    except Fault as fault:
        trouble = sentence(fault)
    return {
        "endpoint": member.address,
        "is_healthy": not trouble,
        "took_ms": round((time.monotonic() - began) * 1000, 1),
        "error": trouble,
    }


async def _alarms(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    request = rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.GET)
    _, answer = await first_answer(members, lambda each: each.maintenance.alarm(request))
    print_rows([_alarm(each) for each in answer.alarms], arguments.output)
    return 0


async def _disarm(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    """Disarm one by one: a server disarms what is named."""
    listing = rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.GET)
    asked, raised = await first_answer(members, lambda each: each.maintenance.alarm(listing))
    for each in raised.alarms:
        await asked.maintenance.alarm(
            rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.DEACTIVATE, memberID=each.memberID, alarm=each.alarm)
        )
    print_rows([_alarm(each) for each in raised.alarms], arguments.output)
    return 0


def _alarm(raised: rpc_pb2.AlarmMember) -> Row:
    return {"member": f"{raised.memberID:x}", "alarm": rpc_pb2.AlarmType.Name(raised.alarm)}


async def _compact(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    request = rpc_pb2.CompactionRequest(revision=arguments.revision, physical=arguments.physical)
    _, answer = await first_answer(members, lambda each: each.kv.compact(request))
    print_one({"compact_revision": arguments.revision, "revision": answer.header.revision}, arguments.output)
    return 0


async def _defrag(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    rows: list[Row] = []
    for member in members:
        await member.maintenance.defragment(rpc_pb2.DefragmentRequest())
        rows.append({"endpoint": member.address, "is_defragmented": True})
    print_rows(rows, arguments.output)
    return 0
