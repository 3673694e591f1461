"""`flaredb why`: looks at what a server measures, tries some transactions, and says what refuses or slows writes."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import time
from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families

from flaredb.core.why import Finding, Gauges, Trial, Weight, judge
from flaredb.core.why_cluster import Standing, judge_cluster
from flaredb.shell.commands.connections import Endpoint, add_connection_arguments, endpoint_of, run, sentence
from flaredb.shell.commands.regions import all_regions
from ultracloud.api.flaredb.v1 import cluster_pb2 as pb
from ultracloud.api.flaredb.v1.flaredb_pb2 import Comparison, TxnRequest
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import Fault
from ultracloud.servicekit.printing import add_output_argument, print_json, say

TRIES, PAUSE_S = 10, 0.05
"""Enough for a middle, and half a second in which a busy server syncs often enough to be judged."""
NAMESPACE, KEY = "flaredb", b"why"
"""What the transactions compare, for an operator may write nothing; whether it exists does not matter."""
PREFIX = "flaredb_"
SYNCS, COMMITS = "flaredb_sync_seconds_bucket", "flaredb_commit_seconds_bucket"
"""Histograms of the embedded engine, and of PostgreSQL."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `why`."""
    parser.description = (
        "Reads what the server measures and tries a few transactions that write nothing. Exit code 0: writes are "
        "accepted and not slow; 1: they are refused or slow, and the answer says why."
    )
    add_connection_arguments(parser)
    add_output_argument(parser, "table")
    parser.set_defaults(run=_why)


def _why(arguments: argparse.Namespace) -> int:
    endpoint = endpoint_of(arguments)

    async def whole() -> int:
        before = await _gauges(endpoint)
        trial = await _try(endpoint)
        findings = [*judge(trial, before, await _gauges(endpoint)), *await _cluster(endpoint)]
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


async def _cluster(endpoint: Endpoint) -> list[Finding]:
    """What is wrong with the cluster; nothing where there is none."""
    try:
        async with endpoint.cluster() as cluster:
            seen = await cluster.stores(pb.StoresRequest())
            regions = await all_regions(cluster)
    except Fault:
        return []
    standings = [Standing(each.id, tuple(one.store for one in each.replicas if not one.is_learner)) for each in regions]
    silent_s = {each.id: each.silent_ms // 1000 for each in seen.stores if each.state != pb.STORE_STATE_UP}
    return judge_cluster(standings, silent_s, seen.troubles)


async def _try(endpoint: Endpoint) -> Trial:
    seconds: list[float] = []
    async with endpoint.client() as kv:
        try:
            for _ in range(TRIES):
                seconds.append(await _timed(kv))
                await asyncio.sleep(PAUSE_S)
        except Fault as fault:
            return Trial(sentence(fault), tuple(seconds))
    return Trial("", tuple(seconds))


async def _timed(kv: KvClient) -> float:
    began = time.monotonic()
    await kv.txn(TxnRequest(namespace=NAMESPACE, comparisons=[Comparison(key=KEY)]))
    return time.monotonic() - began


async def _gauges(endpoint: Endpoint) -> Gauges:
    """What the server measures; nothing where it cannot be read."""
    try:
        return _parsed(await asyncio.to_thread(endpoint.metrics))
    except (OSError, ValueError, http.client.HTTPException):
        return Gauges()


def _parsed(text: str) -> Gauges:
    """Gauges by name, added up over their labels."""
    numbers: dict[str, float] = {}
    counts: dict[str, dict[float, float]] = {SYNCS: {}, COMMITS: {}}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in counts:
                counts[sample.name][float(sample.labels["le"])] = sample.value
            elif sample.name.startswith(PREFIX):
                name = sample.name.removeprefix(PREFIX)
                numbers[name] = numbers.get(name, 0.0) + sample.value
    syncs, commits = (tuple(sorted(counts[name].items())) for name in (SYNCS, COMMITS))
    return Gauges(numbers, syncs, commits)
