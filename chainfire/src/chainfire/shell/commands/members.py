"""`chainfire member ...`: who the members are, and how that changes without the cluster stopping.

Each change prints the next step, since none is done by the RPC alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from chainfire.core import jointoken
from chainfire.core.calls import Roster
from chainfire.core.membership import Member
from chainfire.shell.commands.connections import (
    Endpoint,
    access_of,
    add_connection_arguments,
    endpoints,
    first_answer,
    run,
)
from ultracloud.api.etcd import rpc_pb2
from ultracloud.base.faults import DeadlineExceededError, FailedPreconditionError, NotFoundError, UnavailableError
from ultracloud.servicekit.errors import ConfigError
from ultracloud.servicekit.printing import add_output_argument, print_one, print_rows, remark

AnswerT = TypeVar("AnswerT")

VOTERS_SAFE_MIN = 3
"""A cluster of fewer voters stops when one is lost."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands below `member`."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add(commands, "list", "list the members", _list)
    add = _add(commands, "add", "let a new member in; prints how to start it", _add_member)
    add.add_argument("name", metavar="NAME", help="that the new member will have")
    _add_urls(add)
    add.add_argument("--learner", action="store_true", help="it receives the log and has no vote until it is promoted")
    _add_which(_add(commands, "remove", "take a member out for good", _remove))
    _add_which(_add(commands, "promote", "let a learner vote, once it has the log", _promote))
    update = _add(commands, "update", "tell the others that a member is found elsewhere", _update)
    _add_which(update)
    _add_urls(update)
    _add_which(_add(commands, "lead", "make a member lead in place of the one that does", _lead))
    replace = _add(commands, "replace", "take a dead member out and let a new one in for it", _replace)
    _add_which(replace)
    _add_urls(replace, is_required=False)


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    about: str,
    asking: Callable[[argparse.Namespace, Sequence[Endpoint]], Awaitable[int]],
) -> argparse.ArgumentParser:
    """Add one command that asks members."""
    parser = commands.add_parser(name, help=about)
    add_connection_arguments(parser)
    add_output_argument(parser)
    parser.set_defaults(run=_with_members(asking))
    return parser


def _with_members(
    asking: Callable[[argparse.Namespace, Sequence[Endpoint]], Awaitable[int]],
) -> Callable[[argparse.Namespace], int]:
    def start(arguments: argparse.Namespace) -> int:
        access = access_of(arguments)

        async def whole() -> int:
            async with endpoints(access) as members:
                return await asking(arguments, members)

        return run(whole)

    return start


def _add_which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("member", metavar="ID|NAME", help="as `member list` shows it")


def _add_urls(parser: argparse.ArgumentParser, *, is_required: bool = True) -> None:
    parser.add_argument(
        "--peer-url",
        "--peer-urls",
        action="append",
        required=is_required,
        metavar="URL",
        help="where the other members find it, like http://10.0.0.4:2380; several with commas or again",
    )


async def _list(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    print_rows([_row(each) for each in await _all(members)], arguments.output)
    return 0


async def _add_member(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    urls = _urls(arguments)
    await _let_in(members, arguments.name, urls, is_learner=arguments.learner, output=arguments.output)
    return 0


async def _remove(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    found = _which(await _all(members), arguments.member)
    await _change(members, lambda each: each.cluster.member_remove(rpc_pb2.MemberRemoveRequest(ID=found.ID)))
    print_one({"removed": f"{found.ID:x}", "name": found.name}, arguments.output)
    remark(
        "its state folder is of no more use: a member that comes back has a new id; empty the folder before it joins"
    )
    return 0


async def _promote(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    found = _which(await _all(members), arguments.member)
    await _change(members, lambda each: each.cluster.member_promote(rpc_pb2.MemberPromoteRequest(ID=found.ID)))
    print_one({"promoted": f"{found.ID:x}", "name": found.name}, arguments.output)
    return 0


async def _lead(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    found = _which(await _all(members), arguments.member)
    leader = await _leader(members)
    await leader.maintenance.move_leader(rpc_pb2.MoveLeaderRequest(targetID=found.ID))
    print_one({"leads": f"{found.ID:x}", "name": found.name}, arguments.output)
    return 0


async def _leader(members: Sequence[Endpoint]) -> Endpoint:
    """The one that leads: only it can give that up.

    Raises:
        FailedPreconditionError: None of them does.
    """
    for each in members:
        with contextlib.suppress(UnavailableError, DeadlineExceededError):
            said = await each.maintenance.status(rpc_pb2.StatusRequest())
            if said.leader == said.header.member_id:
                return each
    raise FailedPreconditionError("none of the endpoints is the leader; name all members with --endpoint")


async def _update(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    found, urls = _which(await _all(members), arguments.member), _urls(arguments)
    request = rpc_pb2.MemberUpdateRequest(ID=found.ID, peerURLs=urls)
    await _change(members, lambda each: each.cluster.member_update(request))
    print_one({"updated": f"{found.ID:x}", "name": found.name, "peer_urls": urls}, arguments.output)
    return 0


async def _replace(arguments: argparse.Namespace, members: Sequence[Endpoint]) -> int:
    """Remove, then add: a member that is gone counts against the quorum for as long as it is one."""
    every = await _all(members)
    found = _which(every, arguments.member)
    urls = _urls(arguments) if arguments.peer_url else list(found.peerURLs)
    if sum(not each.isLearner for each in every) < VOTERS_SAFE_MIN and not found.isLearner:
        raise ConfigError(
            f"'{arguments.member}' is one of less than {VOTERS_SAFE_MIN} voters: without it too few can agree; "
            "add the new member first (chainfire member add), then remove this one"
        )
    await _change(members, lambda each: each.cluster.member_remove(rpc_pb2.MemberRemoveRequest(ID=found.ID)))
    remark(f"member {found.ID:x} is removed")
    await _let_in(members, found.name or "NAME", urls, is_learner=False, output=arguments.output)
    return 0


async def _let_in(
    members: Sequence[Endpoint], name: str, urls: Sequence[str], *, is_learner: bool, output: str
) -> None:
    """Add a member, and say how it is started."""
    request = rpc_pb2.MemberAddRequest(peerURLs=urls, isLearner=is_learner)
    answer = await _change(members, lambda each: each.cluster.member_add(request))
    known = tuple(
        Member(each.ID, each.name, tuple(each.peerURLs), is_learner=each.isLearner) for each in answer.members
    )
    token = jointoken.render(Roster(answer.header.cluster_id, known), answer.member.ID)
    print_one(
        {
            "added": f"{answer.member.ID:x}",
            "name": name,
            "peer_urls": list(answer.member.peerURLs),
            "is_learner": answer.member.isLearner,
            "cluster_id": f"{answer.header.cluster_id:x}",
            "join_token": token,
        },
        output,
    )
    remark("now start it with an empty state folder and, in its configuration:")
    remark("")
    for line in (f'name = "{name}"', "[cluster]", f"advertise = {json.dumps(list(urls))}", f'join = ["{token}"]'):
        remark(f"    {line}")
    if is_learner:
        remark("")
        remark(f"once it has the log: chainfire member promote {answer.member.ID:x}")


async def _all(members: Sequence[Endpoint]) -> list[rpc_pb2.Member]:
    """Every member there is."""
    _, answer = await first_answer(members, lambda each: each.cluster.member_list(rpc_pb2.MemberListRequest()))
    return list(answer.members)


async def _change(members: Sequence[Endpoint], ask: Callable[[Endpoint], Awaitable[AnswerT]]) -> AnswerT:
    """Have one member change the list."""
    _, answer = await first_answer(members, ask)
    return answer


def _which(every: Sequence[rpc_pb2.Member], wanted: str) -> rpc_pb2.Member:
    """The member of an id or name.

    Raises:
        NotFoundError: There is none.
    """
    for each in every:
        if wanted in (f"{each.ID:x}", f"{each.ID:016x}") or (each.name and wanted == each.name):
            return each
    there = ", ".join(f"{each.ID:x} ({each.name or 'not started'})" for each in every)
    raise NotFoundError(f"no member is '{wanted}'; there are {there}")


def _urls(arguments: argparse.Namespace) -> list[str]:
    found = [url for given in arguments.peer_url for url in given.split(",") if url]
    for url in found:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"--peer-url {url} is no URL; accepted: http://host:port or https://host:port")
    return found


def _row(member: rpc_pb2.Member) -> dict[str, str | bool | list[str]]:
    return {
        "id": f"{member.ID:x}",
        "name": member.name,
        "is_started": bool(member.name),
        "is_learner": member.isLearner,
        "peer_urls": list(member.peerURLs),
        "client_urls": list(member.clientURLs),
    }
