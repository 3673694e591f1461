"""Every RPC that is not reached over HTTP, and why; a test compares this with the protos.

SDKs reach what is served to tenants by gRPC as well: the gateway passes those calls on as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

_ETCD = "etcd's own API: chainfire serves it to the cluster's services, with etcd's JSON gateway on its own port"
_STORE = "flaredb serves the cluster's services, never a tenant"
_AGENT = "between a service and its agent on each host, by certificate"

ABSENT: Mapping[str, str] = {
    "etcdserverpb": _ETCD,
    "v3lockpb": _ETCD,
    "v3electionpb": _ETCD,
    "ultracloud.flaredb.v1": _STORE,
    "grpc.health.v1": "probes ask the gateway's own /healthz and /readyz",
    "grpc.reflection.v1": "/openapi.json describes this API; reflection is for gRPC",
    "grpc.reflection.v1alpha": "as grpc.reflection.v1",
    "ultracloud.wire.v1.Echo": "for tests and benchmarks of libs/wire",
    "ultracloud.iam.v1.Policy.Watch": "the whole cloud's policy, for services that decide by it",
    "ultracloud.iam.v1.AccessKeys.Resolve": "tells secrets, to services that verify signatures and to nobody else",
    "ultracloud.iam.v1.AccessKeys.WatchChanges": "as AccessKeys.Resolve",
    "ultracloud.iam.v1.Secrets.Resolve": "for services that run workloads; people use Secrets.Access",
    "ultracloud.iam.v1.AuditHeads": "signs for services, by their certificates",
    "ultracloud.prismnet.v1.Hosts": _AGENT,
    "ultracloud.plasmavmc.v1.Hosts.WatchHost": _AGENT,
    "ultracloud.plasmavmc.v1.Hosts.IssueWorkload": _AGENT,
    "ultracloud.plasmavmc.v1.Hosts.ReportHost": _AGENT,
    "ultracloud.plasmavmc.v1.Hosts.ResolveSecrets": _AGENT,
    "ultracloud.plasmavmc.v1.HostConsole": "plasmavmc asks its agents; people use Vms.Console",
    "ultracloud.operations.v1.Operations": "no service has operations yet; the annotations wait for the first",
}
"""By package, service or RPC."""


def why_absent(rpc: str) -> str:
    """Why ``package.Service.Method`` is not reached over HTTP; empty if nothing says so."""
    name = rpc
    while name:
        if name in ABSENT:
            return ABSENT[name]
        name = name.rpartition(".")[0]
    return ""
