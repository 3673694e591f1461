"""`flaredb regions`: where the keys are, region by region, and what placement cannot help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from flaredb.shell.commands.connections import add_connection_arguments, endpoint_of, run
from flaredb.shell.commands.printing import Told, print_row
from flaredb.shell.commands.query import text_of
from ultracloud.api.flaredb.v1.cluster_pb2 import RegionsRequest, RegionView, ReplicaView, StoresRequest
from ultracloud.api.flaredb.v1.cluster_rpc import ClusterClient
from ultracloud.servicekit.printing import add_output_argument, print_json, say

HEADINGS = ("ID", "EPOCH", "STORES", "SIZE", "LOAD", "KEYS")
WIDTHS = (6, 8, 14, 9, 8)
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `regions`."""
    parser.description = (
        "Lists the regions of a flaredb on several nodes, by their first key: epoch (of the range, of the members), "
        "stores that hold it, size, requests a second (those of its leader, and reads that other replicas answer, from "
        "50 a second on), and the encoded keys (namespace, \\x00, key). Of the stores the one with a star leads, one "
        "with + has no vote yet, one with ! has not caught up."
    )
    parser.add_argument("--hot", action="store_true", help="those with the most requests a second first")
    parser.add_argument("--store", type=int, metavar="ID", help="only those that this store holds")
    add_output_argument(parser, "table")
    add_connection_arguments(parser)
    parser.set_defaults(run=_regions)


def size(count: int) -> str:
    """Bytes in the unit that suits them."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(UNITS) - 1:  # noqa: PLR2004 - what a KiB is
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.0f} {UNITS[unit]}"


async def all_regions(cluster: ClusterClient) -> list[RegionView]:
    """All regions, page by page."""
    page = await cluster.regions(RegionsRequest())
    found = [*page.regions]
    while page.next_start:
        page = await cluster.regions(RegionsRequest(start=page.next_start))
        found += page.regions
    return found


def print_troubles(troubles: Sequence[str]) -> None:
    """Print what is wrong below a table."""
    for each in troubles:
        say(f"trouble: {each}")


def _regions(arguments: argparse.Namespace) -> int:
    endpoint = endpoint_of(arguments)

    async def whole() -> int:
        async with endpoint.cluster() as cluster:
            regions = await all_regions(cluster)
            troubles = [*(await cluster.stores(StoresRequest())).troubles]
        if arguments.store is not None:
            regions = [each for each in regions if arguments.store in (replica.store for replica in each.replicas)]
        if arguments.hot:
            regions.sort(key=lambda each: -each.load)
        if arguments.output == "json":
            print_json({"regions": [_told(each) for each in regions], "troubles": troubles})
            return 0
        print_row(HEADINGS, WIDTHS)
        for each in regions:
            print_row(_cells(each), WIDTHS)
        print_troubles(troubles)
        return 0

    return run(whole)


def _told(region: RegionView) -> Told:
    return {
        "region": region.id,
        "start": text_of(region.start),
        "end": text_of(region.end),
        "epoch": {"version": region.version, "conf_version": region.conf_version},
        "replicas": [
            {"peer": each.peer, "store": each.store, "is_learner": each.is_learner, "is_behind": each.is_behind}
            for each in region.replicas
        ],
        "leader": region.leader or None,
        "size_bytes": region.size_bytes,
        "load": region.load,
    }


def _cells(region: RegionView) -> tuple[str, ...]:
    return (
        str(region.id),
        f"{region.version}.{region.conf_version}",
        " ".join(_place(each, region.leader) for each in region.replicas),
        size(region.size_bytes),
        f"{region.load}/s",
        f"{text_of(region.start) or 'first'} .. {text_of(region.end) or 'last'}",
    )


def _place(replica: ReplicaView, leader: int) -> str:
    marks = (
        "*" if replica.store == leader else "",
        "+" if replica.is_learner else "",
        "!" if replica.is_behind else "",
    )
    return f"{replica.store}{''.join(marks)}"
