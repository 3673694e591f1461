"""`flaredb restore`."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict

from flaredb.core.backup import Head, Trailer
from flaredb.core.limits import check_namespace
from flaredb.shell import backup_places
from flaredb.shell.backup_places import Source
from flaredb.shell.backup_restore import Restore, Wanted
from flaredb.shell.commands.backup import (
    add_namespace_argument,
    add_s3_argument,
    add_source_argument,
    ended_by_sigterm,
)
from flaredb.shell.commands.connections import Endpoint, add_connection_arguments, endpoint_of, run, sentence
from flaredb.shell.commands.printing import Told, print_one
from flaredb.shell.commands.progress import Progress
from ultracloud.api.flaredb.v1.eventual_rpc import EventualClient
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import Fault
from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.servicekit.printing import add_output_argument


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `restore`."""
    parser.description = (
        "Writes what a backup has into a running server, into namespaces that are empty; run again after it was "
        "interrupted, it goes on. A backup that can be read twice is checked to its end before the first write. "
        "Stop the services whose namespaces these are. Writes as flaredb itself: with its own --config. Eventual "
        "namespaces need not be empty, nor their writers stopped: of each key the later write stays."
    )
    add_source_argument(parser)
    add_namespace_argument(parser, "restore only this one; may be given several times (default: all)")
    parser.add_argument("--into", default="", metavar="NAME", help="restore the only namespace under another name")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="delete first what the namespaces have; eventual ones: write anew, over what is later",
    )
    parser.add_argument(
        "--lower-versions", action="store_true", help="accept a server whose versions are below the backup's"
    )
    add_s3_argument(parser)
    add_output_argument(parser, "table")
    add_connection_arguments(parser)
    parser.set_defaults(run=_restore)


def _restore(arguments: argparse.Namespace) -> int:
    wanted = Wanted(
        tuple(sorted(set(arguments.namespace))), arguments.into, arguments.replace, arguments.lower_versions
    )
    if wanted.into:
        _check_name(wanted.into)
    endpoint = endpoint_of(arguments)
    with ended_by_sigterm(), backup_places.source(arguments.source, arguments.s3_endpoint) as source:
        if wanted.replaces and not source.is_repeatable:
            raise ConfigError("--replace wants a backup that can be checked first: save it to a file")
        told: Told = {"source": arguments.source}

        async def whole() -> int:
            told.update(await _restored(endpoint, source, wanted))
            return 0

        run(whole)
    print_one(told, arguments.output)
    return 0


def _check_name(name: str) -> None:
    try:
        check_namespace(name)
    except Fault as fault:
        raise ConfigError(f"--into: {fault.public}") from fault


async def _restored(endpoint: Endpoint, source: Source, wanted: Wanted) -> Told:
    """Check, then write; what became of it."""
    checked: tuple[Head, Trailer] | None = None
    async with endpoint.channel() as channel:
        kv, eventual = KvClient(channel), EventualClient(channel)
        if source.is_repeatable:
            checked = await _check(Restore(kv, eventual, source, wanted, Progress("checked").add))
            await asyncio.to_thread(source.rewind)
        progress = Progress("restored")
        restore = Restore(kv, eventual, source, wanted, progress.add)
        try:
            head = await restore.write(checked)
        except (StartError, Fault) as error:
            raise StartError(_unfinished(error, restore)) from error
        progress.end()
    return {"version": head.version, "namespaces": {name: asdict(each) for name, each in restore.told.items()}}


async def _check(restore: Restore) -> tuple[Head, Trailer]:
    try:
        return await restore.check()
    except StartError as error:
        raise StartError(f"{error}. Nothing was written") from error


def _unfinished(error: StartError | Fault, restore: Restore) -> str:
    said = sentence(error) if isinstance(error, Fault) else str(error)
    written = {name: each.written for name, each in restore.told.items() if each.written}
    if restore.wanted.replaces:
        return f"{said}. What was to be replaced is deleted, in part or all of it: run it again"
    if not written:
        return f"{said}. Nothing was written"
    keys = ", ".join(f"{count} keys to '{name}'" for name, count in written.items())
    return (
        f"{said}. The restore is not whole: it has written {keys}. Run again without --replace, it goes on from there"
    )
