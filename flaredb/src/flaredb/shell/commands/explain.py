"""`flaredb explain`: what a key is, how it came to that, where it is kept, and why a comparison of it fails."""

from __future__ import annotations

import argparse
import asyncio
import time

from flaredb.core.explaining import Changed, Seen, Verdict, describe, judge, newest
from flaredb.core.keys import encode
from flaredb.shell import backup_eventual
from flaredb.shell.commands.connections import add_connection_arguments, endpoint_of, run
from flaredb.shell.commands.printing import Told
from flaredb.shell.commands.query import key_of, text_of
from flaredb.shell.commands.regions import size
from ultracloud.api.flaredb.v1.cluster_pb2 import RegionsRequest, RegionView
from ultracloud.api.flaredb.v1.cluster_rpc import ClusterClient
from ultracloud.api.flaredb.v1.eventual_pb2 import DumpRequest
from ultracloud.api.flaredb.v1.eventual_rpc import EventualClient
from ultracloud.api.flaredb.v1.flaredb_pb2 import GetRequest, GetResponse, WatchRequest
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import FailedPreconditionError, OutOfRangeError, PermissionDeniedError
from ultracloud.servicekit.errors import ConfigError
from ultracloud.servicekit.printing import add_output_argument, print_json, say

HISTORY_S = 5.0
"""What looking through history may take: a million changes."""
OLDEST = 1
VERSION_MS_BITS = 16
"""Of several nodes versions are times: milliseconds since 1970 above these bits."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `explain`."""
    parser.description = (
        "Says of a key what it has, what became of it as far as history goes, and of several nodes which region keeps "
        "it. With --expect it says whether a transaction that compares the key with a version passes, and if not, what "
        "happened since. Changes nothing. Exit code 0, or 1 where the comparison fails."
    )
    parser.add_argument("asked", type=key_of, metavar="KEY", help="may have \\xNN for any byte")
    parser.add_argument("--namespace", "-n", required=True, metavar="NAME", help="whose key: the service's name")
    parser.add_argument("--expect", type=int, metavar="VERSION", help="the version it is compared with; 0: none")
    add_output_argument(parser, "table")
    add_connection_arguments(parser)
    parser.set_defaults(run=_explain)


def _explain(arguments: argparse.Namespace) -> int:
    namespace, key, expected = arguments.namespace, arguments.asked, arguments.expect
    if expected is not None and expected < 0:
        raise ConfigError(f"--expect is {expected}; accepted: 0 and above")
    endpoint = endpoint_of(arguments)

    async def whole() -> int:
        async with endpoint.channel() as channel:
            kv = KvClient(channel)
            found = await kv.get(GetRequest(namespace=namespace, key=key))
            told: Told = {"namespace": namespace, "key": text_of(key), **_value(found)}
            stamp = await _stamp(EventualClient(channel), namespace, key)
            if stamp is not None:
                told["eventual"] = stamp
                if expected is not None:
                    raise ConfigError(f"namespace '{namespace}' is eventual: it compares nothing; leave out --expect")
                _print(told, None, (), None, arguments.output)
                return 0
            seen = await _seen(kv, namespace, key, found)
            region = await _region(ClusterClient(channel), encode(namespace, key))
        verdict = None if expected is None else judge(seen, expected)
        told |= {"history_from": seen.floor, "history_is_whole": seen.is_all}
        _print(told, verdict, newest(seen.changes), region, arguments.output)
        return 0 if verdict is None or verdict.holds else 1

    return run(whole)


def _value(found: GetResponse) -> Told:
    told: Told = {"exists": found.HasField("kv"), "version": found.kv.version, "read_version": found.read_version}
    if found.HasField("kv"):
        told |= {"value_bytes": len(found.kv.value)}
        if found.kv.expires_at_ms:
            told["expires_at"] = _time(found.kv.expires_at_ms)
    return told


async def _stamp(eventual: EventualClient, namespace: str, key: bytes) -> Told | None:
    """Who wrote a key of an eventual namespace, and when; None of another namespace."""
    if not await backup_eventual.is_eventual(eventual, namespace):
        return None
    page = await eventual.dump(DumpRequest(namespace=namespace, start=key, limit=1))
    if not page.keys or page.keys[0].key != key:
        return {}
    return {"written_at": _time(page.keys[0].time >> VERSION_MS_BITS), "by_store": page.keys[0].store}


async def _seen(kv: KvClient, namespace: str, key: bytes, found: GetResponse) -> Seen:
    """What history has of the key."""
    floor = await _floor(kv, namespace, key)
    changes: list[Changed] = []
    is_all = False
    watch = kv.watch(WatchRequest(namespace=namespace, start=key, end=key + b"\x00", from_version=floor))
    try:
        async with asyncio.timeout(HISTORY_S):
            async for message in watch:
                changes += (Changed(c.version, len(c.value) if c.HasField("value") else None) for c in message.changes)
                if message.version >= found.read_version:
                    is_all = True
                    break
    except TimeoutError:
        pass
    finally:
        await watch.aclose()  # type: ignore[attr-defined]
    return Seen(found.kv.version, floor, found.read_version, tuple(changes), is_all)


async def _floor(kv: KvClient, namespace: str, key: bytes) -> int:
    """The oldest version that history has."""
    try:
        await kv.get(GetRequest(namespace=namespace, key=key, at_version=OLDEST))
    except OutOfRangeError as error:
        return int(error.metadata.get("floor", OLDEST))
    return OLDEST


async def _region(cluster: ClusterClient, encoded: bytes) -> RegionView | None:
    """The region that keeps a key, as the map has it; None where there is none, or the caller may not see it."""
    try:
        page = await cluster.regions(RegionsRequest(start=encoded, limit=1))
    except (FailedPreconditionError, PermissionDeniedError):
        return None
    return next((each for each in page.regions if each.start <= encoded and (not each.end or encoded < each.end)), None)


def _print(
    told: Told, verdict: Verdict | None, changes: tuple[Changed, ...], region: RegionView | None, output: str
) -> None:
    if output == "json":
        told["changes"] = [{"version": each.version, "value_bytes": each.value_bytes} for each in changes]
        if region is not None:
            stores = [each.store for each in region.replicas]
            told["region"] = {"id": region.id, "leader": region.leader or None, "stores": stores, "load": region.load}
        if verdict is not None:
            told["comparison"] = {"holds": verdict.holds, "says": verdict.says, "remedy": verdict.remedy}
        print_json(told)
        return
    say(_headline(told))
    if verdict is not None:
        say(verdict.says)
        if verdict.remedy:
            say(f"    {verdict.remedy}")
    for each in changes:
        say(f"  {describe(each)}{_moment(each.version, region)}")
    if region is not None:
        places = ", ".join(str(each.store) for each in region.replicas)
        leader = f"led by store {region.leader}" if region.leader else "without a leader"
        say(f"Region {region.id}, {leader}, on stores {places}: {size(region.size_bytes)}, {region.load} requests/s.")


def _headline(told: Told) -> str:
    name = f"Key {told['key']} of namespace {told['namespace']}"
    if not told["exists"]:
        said = f"{name}: not there, as of version {told['read_version']}."
    else:
        ends = f", ends at {told['expires_at']}" if "expires_at" in told else ""
        said = f"{name}: {told['value_bytes']} bytes, version {told['version']}{ends}."
    match told.get("eventual"):
        case {"written_at": when, "by_store": store}:
            return f"{said} It was written at {when} by store {store}; the latest write stays, on every store."
        case None:
            return said if told["history_is_whole"] else f"{said} History is too long to be looked through to its end."
        case _:
            return said


def _moment(version: int, region: RegionView | None) -> str:
    """When a commit was, where versions are times."""
    return "" if region is None else f", {_time(version >> VERSION_MS_BITS)}"


def _time(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000)) + f".{ms % 1000:03}Z"
