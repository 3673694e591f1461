"""`flaredb stores`: the disks of a cluster and what they hold; empties one, or strikes it off."""

from __future__ import annotations

import argparse

from flaredb.shell.commands.connections import add_connection_arguments, endpoint_of, run
from flaredb.shell.commands.printing import Told, print_row
from flaredb.shell.commands.regions import print_troubles, size
from ultracloud.api.flaredb.v1 import cluster_pb2 as pb
from ultracloud.api.flaredb.v1.cluster_rpc import ClusterClient
from ultracloud.servicekit.printing import add_output_argument, print_json

HEADINGS = ("ID", "STATE", "ADDRESS", "REPLICAS", "LEADS", "USED", "OF", "LABELS")
WIDTHS = (4, 14, 22, 8, 5, 8, 8)
STATES = {pb.STORE_STATE_UP: "up", pb.STORE_STATE_DOWN: "down", pb.STORE_STATE_LOST: "lost"}
_FRESH_MS = 10_000
"""Silence below this is the time between heartbeats, and of no interest."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `stores`."""
    parser.description = (
        "Lists the stores of a flaredb on several nodes: whether each is heard of, how many replicas it holds, how "
        "many regions it leads, and how full its disk is."
    )
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--leave", type=int, metavar="ID", help="empty this store: its replicas are made elsewhere")
    change.add_argument("--stay", type=int, metavar="ID", help="do not empty it after all")
    change.add_argument("--forget", type=int, metavar="ID", help="strike off a store that is gone and holds nothing")
    add_output_argument(parser, "table")
    add_connection_arguments(parser)
    parser.set_defaults(run=_stores)


def _stores(arguments: argparse.Namespace) -> int:
    endpoint = endpoint_of(arguments)

    async def whole() -> int:
        async with endpoint.cluster() as cluster:
            await _change(cluster, arguments)
            answer = await cluster.stores(pb.StoresRequest())
        if arguments.output == "json":
            print_json({"stores": [_told(each) for each in answer.stores], "troubles": [*answer.troubles]})
            return 0
        print_row(HEADINGS, WIDTHS)
        for each in answer.stores:
            print_row(_cells(each), WIDTHS)
        print_troubles(answer.troubles)
        return 0

    return run(whole)


async def _change(cluster: ClusterClient, arguments: argparse.Namespace) -> None:
    """Do what the arguments want changed, if anything."""
    if arguments.leave is not None:
        await cluster.set_leaving(pb.SetLeavingRequest(store=arguments.leave, is_leaving=True))
    if arguments.stay is not None:
        await cluster.set_leaving(pb.SetLeavingRequest(store=arguments.stay, is_leaving=False))
    if arguments.forget is not None:
        await cluster.forget_store(pb.ForgetStoreRequest(store=arguments.forget))


def _told(store: pb.StoreView) -> Told:
    return {
        "store": store.id,
        "state": STATES.get(store.state, "unknown"),
        "is_leaving": store.is_leaving,
        "silent_ms": store.silent_ms,
        "address": store.address,
        "replicas": store.replicas,
        "leads": store.leads,
        "capacity_bytes": store.capacity_bytes,
        "used_bytes": store.used_bytes,
        "labels": dict(store.labels),
    }


def _cells(store: pb.StoreView) -> tuple[str, ...]:
    state = STATES.get(store.state, "unknown")
    silence = f" {store.silent_ms // 1000} s" if store.silent_ms >= _FRESH_MS else ""
    return (
        str(store.id),
        f"{state}{silence}{', leaving' if store.is_leaving else ''}",
        store.address,
        str(store.replicas),
        str(store.leads),
        size(store.used_bytes),
        size(store.capacity_bytes),
        " ".join(f"{name}={value}" for name, value in sorted(store.labels.items())),
    )
