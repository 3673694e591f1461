"""`./dev bench iam`: decisions, what a change costs and when it is enforced, and what a copy of the policy weighs.

Decisions are made by `authorise` in this process, on one core, with 100,000 bindings and 10,000 users in groups; beside
it cedarpy with the same bindings as policies parsed beforehand, once with all of them in one set, as they are written,
and once with only those that concern the asker, which is what somebody would build around it. The rest runs a whole iam
with copies of its policy that follow it over mTLS, and has no peer.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import cedarpy
import jwt

from bench._iam_ends import Ended, ends, percentiles
from bench._iam_logins import logins, verifications
from bench._iam_world import PERMISSIONS, World, again, fill, make_world, questions
from bench._results import machine, record
from iam.shell.source import REVOKED
from iam.testing import Clients, RunningIam, running_iam
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.base.faults import PermissionDeniedError
from ultracloud.base.permissions import generalised
from ultracloud.base.policy import Binding, Delta, Policy, Principal, PrincipalKind, decide, role_patterns
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import connect
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.policy import PolicyCopy, Snapshot, judge, open_copy
from ultracloud.servicekit.policy_file import FILE_NAME, frame
from ultracloud.servicekit.policy_wire import render_parts
from ultracloud.servicekit.store import MemoryStore

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "iam.jsonl"
BINDINGS, USERS = 100_000, 10_000
QUICK_PART = 10
"""A quick run has this part of the bindings and users."""
ASKED = 100_000
BUSY_USERS = 500
"""Those who ask most of the time."""
QUESTIONS_OF_A_USER = 20
ROUNDS = 5
COPIES = 5
PATIENCE_S = 120.0
"""For the first copy on a busy machine."""
CHANGES = 50
PEER = f"cedarpy {getattr(cedarpy, '__version__', '')}".strip()
PEER_ALL_ASKED, PEER_FEW_ASKED = 10, 2000
MEGABYTE = 1_000_000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Question = tuple[Principal, str, str]
Row = dict[str, object]


def main() -> int:
    """Run all, print what came out, keep it with the commit."""
    parser = argparse.ArgumentParser(prog="./dev bench iam", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object for machines")
    parser.add_argument("--quick", action="store_true", help="a tenth of the bindings and users: some 20 s")
    parser.add_argument("--no-record", action="store_true", help="do not add to bench/results")
    parser.add_argument("--weigh", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.getLogger("audit").setLevel(logging.ERROR)
    if arguments.weigh is not None:
        return weigh(arguments.weigh)
    part = QUICK_PART if arguments.quick else 1
    world = make_world(BINDINGS // part, USERS // part)
    rows = [*tokens(), *decisions(world), *changes(world), *copies(world)]
    if arguments.json:
        print(json.dumps({"bench": "iam", "machine": machine(), "rows": rows}))
    else:
        for each in rows:
            peer = "-" if each["peer"] is None else each["peer"]
            print(f"{each['what']:62} {each['ours']:>12} {peer:>10} {each['unit']:12} x{each['ratio'] or '-'}")
    if not arguments.no_record and not arguments.quick:
        record(rows, RESULTS)
    return 0


# ---- tokens and logins -----------------------------------------------------------------------------------------------


def tokens() -> Iterator[Row]:
    """What it costs to log in, and to tell whom a token is of."""
    first, seen, peer = verifications()
    yield row("token told, first time", first, peer, "tokens/s", f"PyJWT {jwt.__version__}")
    yield row("token told, seen before", seen, peer, "tokens/s", f"PyJWT {jwt.__version__}")
    by_rpc, by_browser = logins()
    yield row("login by RPC, password to tokens: CPU of both sides", by_rpc, None, "ms")
    yield row("login in a browser, code with PKCE, to tokens: CPU of both sides", by_browser, None, "ms")


# ---- decisions ------------------------------------------------------------------------------------------------------


def decisions(world: World) -> Iterator[Row]:
    """Decisions a second of CPU time, by who asks."""
    copy = PolicyCopy(Snapshot(world.policy()))
    everybody = questions(world, ASKED, len(world.users))
    count = min(BUSY_USERS, len(world.users))
    busy = again(questions(world, count * QUESTIONS_OF_A_USER, count), ASKED)
    few, every = peer_rates(world, everybody)
    asking: list[tuple[str, Callable[[], int], float | None]] = [
        (f"authorise, {len(world.users):,} users at random, first time each", lambda: ask(copy, everybody), few),
        (f"authorise, {len(world.users):,} users at random", lambda: ask(copy, everybody), few),
        (f"authorise, {count:,} busy users with {QUESTIONS_OF_A_USER} questions each", lambda: ask(copy, busy), few),
        ("authorise, the peer with all bindings in one set", lambda: ask(copy, everybody), every),
    ]
    for what, run, peer in asking:
        rates = []
        for _ in range(1 if "first" in what else ROUNDS):
            gc.collect()
            started_s = time.process_time()
            asked = run()
            rates.append(asked / (time.process_time() - started_s))
        yield row(f"{what}, {len(world.bindings):,} bindings", max(rates), peer, "decisions/s")
    refused = [one for one in busy if not judge(copy, *one).allowed]
    started_s = time.process_time()
    for one in refused * 10:
        judge(copy, *one)
    yield row("refusals", len(refused) * 10 / (time.process_time() - started_s), None, "decisions/s")
    yield conditional(world)


def ask(copy: PolicyCopy, asked: list[Question]) -> int:
    """Authorise each; as `servicekit.policy.authorise` does, without waiting for a newer policy after a refusal."""
    for principal, permission, resource in asked:
        judge(copy, principal, permission, resource)
    return len(asked)


def conditional(world: World) -> Row:
    """A decision that rests on a condition."""
    user = world.users[0]
    principal = Principal(f"user:{user.id}", PrincipalKind.USER, user.organisation, source="10.1.2.3:4")
    condition = 'context.source_address.isInRange(ip("10.0.0.0/8"))'
    binding = Binding("binding-c", "viewer", (principal.id,), "", condition=condition)
    copy = PolicyCopy(Snapshot(Policy(1, users=[user], bindings=[binding])))
    started_s, count = time.process_time(), 5000
    for _ in range(count):
        assert judge(copy, principal, "prismnet.vpcs.get", "organisations/o/projects/p").allowed
    return row("decision on a condition", count / (time.process_time() - started_s), None, "decisions/s")


def peer_rates(world: World, asked: list[Question]) -> tuple[float, float]:
    """Decisions a second of cedarpy: with the asker's policies only, picked beforehand, and with all of them."""
    policy = world.policy()
    few = [
        (peer_question(policy, one), peer_policies(policy, bindings_for(policy, one[0])))
        for one in asked[:PEER_FEW_ASKED]
    ]
    started_s = time.process_time()
    answers = [cedarpy.is_authorized(request, policies, entities).allowed for (request, entities), policies in few]
    few_rate = len(few) / (time.process_time() - started_s)
    for one, answer in zip(asked, answers, strict=False):
        assert answer == decide(policy, *one).allowed, one
    everything = peer_policies(policy, world.bindings)
    started_s = time.process_time()
    for one in asked[:PEER_ALL_ASKED]:
        request, entities = peer_question(policy, one)
        assert cedarpy.is_authorized(request, everything, entities).allowed == decide(policy, *one).allowed, one
    return few_rate, PEER_ALL_ASKED / (time.process_time() - started_s)


def bindings_for(policy: Policy, principal: Principal) -> list[Binding]:
    """Those that name somebody or one of their groups."""
    named = (principal.id, *policy.groups_of_member.get(principal.id, ()))
    return [one for name in named for one in policy.bindings_of_principal.get(name, ())]


def peer_policies(policy: Policy, bindings: list[Binding]) -> cedarpy.PolicySet:
    """Bindings as Cedar policies: each role as the actions of the workload that it has."""
    texts = []
    for one in bindings:
        held = role_patterns(policy, one.role) or frozenset()
        actions = ", ".join(f'Action::"{name}"' for name in PERMISSIONS if not held.isdisjoint(generalised(name)))
        effect = "forbid" if one.deny else "permit"
        named = f'P::"{one.principals[0]}"'
        texts.append(f'{effect}(principal in {named}, action in [{actions}], resource in R::"{one.resource}");')
    return cedarpy.PolicySet.from_str("\n".join(texts))


def peer_question(policy: Policy, asked: Question) -> tuple[dict[str, object], cedarpy.Entities]:
    """The same question, with the few entities it needs parsed beforehand."""
    principal, permission, resource = asked
    groups = [{"type": "P", "id": group} for group in policy.groups_of_member.get(principal.id, ())]
    project = "/".join(resource.split("/")[:4])
    entities = [
        {"uid": {"type": "P", "id": principal.id}, "attrs": {}, "parents": groups},
        {"uid": {"type": "R", "id": resource}, "attrs": {}, "parents": [{"type": "R", "id": project}]},
    ]
    request: dict[str, object] = {
        "principal": {"type": "P", "id": principal.id},
        "action": {"type": "Action", "id": permission},
        "resource": {"type": "R", "id": resource},
        "context": {},
    }
    return request, cedarpy.Entities.from_json_str(json.dumps(entities))


# ---- changes ---------------------------------------------------------------------------------------------------------


def changes(world: World) -> list[Row]:
    """What a change costs a copy, and how long it is until all enforce it."""
    policy = world.policy()
    one = world.bindings[0]
    started_s, count = time.process_time(), 2000
    for number in range(count):
        again = Binding(one.id, one.role, one.principals, one.resource, bool(number % 2), one.name)
        policy = policy.advanced(Delta(number + 2, put=(again,)))
    cost = row("a change taken in by a copy: CPU", 1e6 * (time.process_time() - started_s) / count, None, "us")
    with tempfile.TemporaryDirectory() as folder:
        return [cost, *asyncio.run(enforced(world, Path(folder)))]


async def enforced(world: World, folder: Path) -> list[Row]:
    """A whole iam over a store in memory, and copies that follow it."""
    store = MemoryStore()
    await fill(store, world)
    async with running_iam(folder, store) as iam, iam.clients() as ada, AsyncExitStack() as stack:
        following = [await stack.enter_async_context(_Following(iam, number)) for number in range(COPIES)]
        for one in following:
            await one.until(lambda policy: len(policy.binding_of_id) > len(world.bindings))
        gc.freeze()  # the copies stand for as many services, whose collectors look at one each
        given = [await give(world, ada, following, number) for number in range(CHANGES)]
        revoked = [await revoke(world, store, following, number) for number in range(CHANGES)]
        gc.unfreeze()
        ended = await ends(world, iam, ada, folder)
    size = f"{len(world.bindings):,} bindings"
    return [
        row(f"a role given to all {COPIES} copies enforcing it, median, {size}", statistics.median(given), None, "ms"),
        row(f"the same, slowest of {CHANGES}", max(given), None, "ms"),
        row(
            f"a session revoked to all {COPIES} copies refusing it, median, {size}",
            statistics.median(revoked),
            None,
            "ms",
        ),
        row(f"the same, slowest of {CHANGES}", max(revoked), None, "ms"),
        *(one for what, times in ended.items() for one in end_rows(what, times, size)),
    ]


def end_rows(what: str, times: list[Ended], size: str) -> Iterator[Row]:
    """Rows of a right that ended, at iam, prismnet, plasmavmc and the gateway in processes of their own."""
    for said, values in (
        ("last let in anywhere", [one.last_in for one in times]),
        ("refused everywhere", [one.refused for one in times]),
    ):
        median, worst = percentiles(values)
        yield row(f"{what}: from its answer to {said}, p50, {size}", median, None, "ms")
        yield row(f"{what}: from its answer to {said}, p99, {size}", worst, None, "ms")


async def give(world: World, ada: Clients, following: list[_Following], number: int) -> float:
    """Milliseconds from the request that binds a role until all copies allow."""
    project, user = world.projects[number], world.users[-1 - number]
    principal = Principal(f"user:{user.id}", PrincipalKind.USER, user.organisation)
    organisation = next(one for one in world.organisations if one.id == project.organisation)
    where = f"organisations/{organisation.id}/projects/{project.id}"
    started_s = time.perf_counter()
    await ada.make_binding(organisation.id, f"given-{number}", "owner", principal.id, where)
    for one in following:
        await one.until(lambda policy: decide(policy, principal, "iam.projects.update", where).allowed)
    return 1000 * (time.perf_counter() - started_s)


async def revoke(world: World, store: MemoryStore, following: list[_Following], number: int) -> float:
    """Milliseconds from the write of a revocation until all copies refuse."""
    user, session = world.users[number], f"ses-{number}"
    said = pb.PolicyRevocation(session=session, principal=f"user:{user.id}", until_ms=SystemClock().now_ms() + 60_000)
    started_s = time.perf_counter()
    await store.txn({}, {REVOKED + session.encode(): said.SerializeToString()})
    for one in following:
        await one.until(lambda policy: session in policy.revocation_of)
    return 1000 * (time.perf_counter() - started_s)


class _Following:
    """A copy that follows an iam, over mTLS, as a service."""

    def __init__(self, iam: RunningIam, number: int) -> None:
        identity = pki.issue(iam.ca, pki.service_identity(f"service{number}"), iam.folder / f"service{number}")
        self._channel = connect(iam.address, identity, pki.service_identity("iam"))
        self.copy = PolicyCopy()

    async def __aenter__(self) -> Self:
        self._run = asyncio.create_task(self.copy.run(self._channel, SystemClock()))
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._run.cancel()
        await asyncio.wait([self._run])
        await self._channel.close()

    async def until(self, is_true: Callable[[Policy], bool]) -> None:
        """Wait until the policy here is so."""
        while not is_true(self.copy.snapshot.policy):
            if not await self.copy.wait_newer(self.copy.snapshot.policy.version, PATIENCE_S):
                raise PermissionDeniedError("the policy did not come")


# ---- copies ----------------------------------------------------------------------------------------------------------


def copies(world: World) -> list[Row]:
    """What the copy weighs on disk and in memory, and how long a start with it takes."""
    with tempfile.TemporaryDirectory() as folder:
        content = b"".join(frame(part) for part in render_parts(Snapshot(world.policy())))
        (Path(folder) / FILE_NAME).write_bytes(content)
        command = [sys.executable, "-m", "bench.iam", "--weigh", folder]
        weighed = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    count = f"{len(world.bindings):,} bindings"
    return [
        row(f"a copy in memory, {count}", weighed["bytes"] / MEGABYTE, None, "MB"),
        row(f"a copy on the wire and on disk, {count}", len(content) / MEGABYTE, None, "MB"),
        row(f"read from disk at a start, {count}", weighed["seconds"], None, "s"),
    ]


def weigh(folder: Path) -> int:
    """Tell what a copy from `folder` adds to the resident memory of a process."""
    gc.collect()
    before, started_s = resident_bytes(), time.process_time()
    copy = open_copy(folder)
    seconds = time.process_time() - started_s
    gc.collect()
    assert copy.snapshot.policy.version
    print(json.dumps({"bytes": resident_bytes() - before, "seconds": seconds}))
    return 0


def resident_bytes() -> int:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


# ---- results ---------------------------------------------------------------------------------------------------------


def row(what: str, ours: float, peer: float | None, unit: str, peer_name: str = PEER) -> Row:
    """One row as docs/architecture.md wants it: a ratio above 1 means we are ahead."""
    digits = 0 if abs(ours) >= 1000 else 2
    ratio = None if peer is None else round(ours / peer, 1)
    shown = None if peer is None else round(peer, 1)
    name = None if peer is None else peer_name
    return {"what": what, "ours": round(ours, digits), "peer": shown, "peer_name": name, "unit": unit, "ratio": ratio}


if __name__ == "__main__":
    sys.exit(main())
