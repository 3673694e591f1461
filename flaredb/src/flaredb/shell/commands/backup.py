"""`flaredb backup` and `flaredb backup-verify`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from flaredb.core.backup import EventualRecords, Head, MalformedBackupError, Records, Trailer, Writer
from flaredb.core.backup_reading import parts
from flaredb.core.eventual_records import Stamped
from flaredb.core.limits import NAMESPACES_MAX, SCAN_LIMIT_MAX
from flaredb.core.visibility import Found
from flaredb.shell import backup_eventual, backup_places
from flaredb.shell.backup_places import PIPE, Destination
from flaredb.shell.commands.connections import Endpoint, add_connection_arguments, endpoint_of, run, sentence
from flaredb.shell.commands.printing import Told, print_one
from flaredb.shell.commands.progress import Progress
from ultracloud.api.flaredb.v1.eventual_rpc import EventualClient
from ultracloud.api.flaredb.v1.flaredb_pb2 import KeyValue, NamespacesRequest, ScanRequest, ScanResponse
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import OutOfRangeError
from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.servicekit.printing import add_output_argument, remark

PAGE_KEYS = SCAN_LIMIT_MAX
"""A page ends after 2 MiB anyway, and a block is as large as a page."""
WRITER = "flaredb"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `backup`."""
    parser.description = (
        "Writes all keys of all namespaces, or of some, as they stand at one version, while the server runs. Eventual "
        "namespaces are as they are on that server while they are read. What it is written to has nothing before it "
        "has all. Asks as an operator, or with flaredb's own --config."
    )
    parser.add_argument("destination", metavar="DESTINATION", help="a file, - for stdout, or s3://BUCKET/KEY")
    add_namespace_argument(parser, "back up only this one; may be given several times (default: all)")
    parser.add_argument("--at", type=int, default=0, metavar="VERSION", help="as of this version (default: the newest)")
    add_s3_argument(parser)
    add_output_argument(parser, "table")
    add_connection_arguments(parser)
    parser.set_defaults(run=_backup, usage_error=parser.error)


def configure_verify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `backup-verify`."""
    parser.description = "Reads a backup to its end, checks all checksums, and says what is in it. Asks no server."
    add_source_argument(parser)
    add_s3_argument(parser)
    add_output_argument(parser, "table")
    parser.set_defaults(run=_verify)


def add_namespace_argument(parser: argparse.ArgumentParser, about: str) -> None:
    """Which namespaces."""
    parser.add_argument("--namespace", "-n", action="append", default=[], metavar="NAME", help=about)


def add_source_argument(parser: argparse.ArgumentParser) -> None:
    """Where the backup is."""
    parser.add_argument("source", metavar="SOURCE", help="a file, - for stdin, or s3://BUCKET/KEY")


def add_s3_argument(parser: argparse.ArgumentParser) -> None:
    """Whose S3."""
    parser.add_argument(
        "--s3-endpoint",
        metavar="URL",
        help="of a server that is not Amazon's (default: AWS_ENDPOINT_URL; credentials and region: AWS_*, ~/.aws)",
    )


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as SIGINT does, so that what was begun is taken away."""
    # Not an exception raised wherever the signal comes: in the middle of a library's C code that ends the process.
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # Who was started in the background by a shell's script ignores SIGINT; SIGTERM is to end it all the same.
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, interrupted)
        signal.signal(signal.SIGTERM, before)


def content(head: Head, trailer: Trailer) -> Told:
    """What a backup has, for people and programs."""
    return {
        "version": head.version,
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(head.made_at_ms / 1000)),
        "whole": head.is_whole,
        "writer": head.writer,
        "keys": sum(count.keys for count in trailer.counts.values()),
        "size_bytes": sum(count.size_bytes for count in trailer.counts.values()),
        "sha256": trailer.sha256,
        "namespaces": {name: asdict(trailer.counts[name]) for name in head.namespaces},
        "eventual_namespaces": {name: asdict(trailer.counts[name]) for name in head.eventual},
    }


def _verify(arguments: argparse.Namespace) -> int:
    progress = Progress("checked")
    with backup_places.source(arguments.source, arguments.s3_endpoint) as source:
        try:
            found = parts(source.read)
            head = next(found)
            for part in found:
                if isinstance(part, Records | EventualRecords):
                    progress.add(len(part.found), _size(part.found), part.namespace)
        except MalformedBackupError as error:
            raise StartError(f"{arguments.source}: {error}; use another backup") from error
    assert isinstance(head, Head)
    assert isinstance(part, Trailer)
    progress.end()
    print_one({"source": arguments.source, **content(head, part)}, arguments.output)
    return 0


def _backup(arguments: argparse.Namespace) -> int:
    if arguments.at < 0:
        arguments.usage_error(f"--at is {arguments.at}; accepted: 1 and above, or 0 for the newest")
    if len(set(arguments.namespace)) != len(arguments.namespace):
        raise ConfigError("a namespace is named twice")
    endpoint = endpoint_of(arguments)
    with ended_by_sigterm(), backup_places.destination(arguments.destination, arguments.s3_endpoint) as destination:
        work = _Backup(endpoint, destination, Progress("backed up"))
        run(lambda: work.whole(sorted(arguments.namespace), arguments.at))
    for name, count in work.writer.counts.items():
        if not count.keys and arguments.namespace:
            when = "" if name in work.writer.head.eventual else f" at version {work.writer.head.version}"
            remark(f"namespace '{name}' is empty{when}")
    told = content(work.writer.head, Trailer(work.writer.counts, work.writer.sha256))
    if arguments.destination != PIPE:
        print_one({"destination": arguments.destination, **told}, arguments.output)
    return 0


class _Backup:
    """A backup in the making."""

    writer: Writer

    def __init__(self, endpoint: Endpoint, destination: Destination, progress: Progress) -> None:
        self._endpoint = endpoint
        self._destination = destination
        self._progress = progress

    async def whole(self, names: Sequence[str], at_version: int) -> int:
        """Write it."""
        async with self._endpoint.channel() as channel:
            kv, eventual = KvClient(channel), EventualClient(channel)
            head = await self._head(kv, eventual, names, at_version)
            self.writer = Writer(head)
            await self._write(self.writer.begin())
            for name in head.namespaces:
                async for page in self._pages(kv, name, head.version):
                    await self._write_page(name, page)
            for name in head.eventual:
                async for stamped in backup_eventual.pages(eventual, name):
                    await self._write_stamped(name, stamped)
            await self._write(self.writer.end())
            await asyncio.to_thread(self._destination.finish)
        self._progress.end()
        return 0

    async def _head(self, kv: KvClient, eventual: EventualClient, asked: Sequence[str], at_version: int) -> Head:
        """What is backed up, and as of when: one version for all, which nothing changes any more."""
        if asked:
            loose = [name for name in asked if await backup_eventual.is_eventual(eventual, name)]
            names = [name for name in asked if name not in loose]
            version = await self._version(kv, names, loose, at_version)
        else:
            loose = list(await backup_eventual.names(eventual))
            names, newest = await _namespaces(kv)
            version = at_version or newest
        return Head(version, int(time.time() * 1000), tuple(names), not asked, WRITER, tuple(loose))

    async def _version(self, kv: KvClient, names: Sequence[str], loose: Sequence[str], at_version: int) -> int:
        """The version that these are read at; 0 if there are only eventual ones, which have none."""
        if loose and at_version:
            raise ConfigError(
                f"namespace '{loose[0]}' is eventual, which has no versions that stay; leave out --at, or its name"
            )
        if not names:
            return 0
        asked = await kv.scan(ScanRequest(namespace=names[0], limit=1, keys_only=True, at_version=at_version))
        return int(asked.read_version)

    async def _pages(self, kv: KvClient, name: str, version: int) -> AsyncIterator[ScanResponse]:
        """All keys of a namespace, the next page under way while one is written."""
        request = ScanRequest(namespace=name, limit=PAGE_KEYS, at_version=version)
        coming = asyncio.ensure_future(kv.scan(request))
        try:
            while True:
                page = await coming
                if page.more:
                    request.start = page.kvs[-1].key + b"\x00"
                    coming = asyncio.ensure_future(kv.scan(request))
                yield page
                if not page.more:
                    return
        except OutOfRangeError as error:
            raise StartError(self._lost(version, sentence(error))) from error
        finally:
            coming.cancel()

    def _lost(self, version: int, said: str) -> str:
        return (
            f"the history of version {version} was given up before the backup had all of it ({self._progress.said()}): "
            f"{said}. Raise [history] minutes, changes and mib of flaredb above what a backup takes, and start again"
        )

    async def _write_page(self, name: str, page: ScanResponse) -> None:
        if not page.kvs:
            return
        found = [_found(kv) for kv in page.kvs]
        await asyncio.to_thread(lambda: self._destination.write(self.writer.records(name, found)))
        self._progress.add(len(found), _size(found), name)

    async def _write_stamped(self, name: str, found: Sequence[Stamped]) -> None:
        await asyncio.to_thread(lambda: self._destination.write(self.writer.stamped(name, found)))
        self._progress.add(len(found), _size(found), name)

    async def _write(self, piece: bytes) -> None:
        await asyncio.to_thread(self._destination.write, piece)


async def _namespaces(kv: KvClient) -> tuple[list[str], int]:
    """All there are, and a version that each of them can be read at."""
    names: list[str] = []
    version, more = 0, True
    while more:
        page = await kv.namespaces(NamespacesRequest(after=names[-1] if names else "", limit=NAMESPACES_MAX))
        # The first: a namespace that comes between two pages has nothing at it.
        version, more = version or page.read_version, page.more
        names += page.namespaces
    return names, version


def _found(kv: KeyValue) -> Found:
    return Found(kv.key, kv.value, kv.version, kv.expires_at_ms)


def _size(found: Sequence[Found | Stamped]) -> int:
    return sum(len(each.key) + len(each.value) for each in found)
