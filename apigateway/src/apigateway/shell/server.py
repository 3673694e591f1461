"""All of the gateway: its endpoint, its pages, gRPC passed on, and what changes while it runs."""

from __future__ import annotations

import hashlib
import ipaddress
from importlib import resources

from prometheus_client import Gauge

from apigateway.config import GatewaySettings
from apigateway.core.problems import PROBLEM_TYPE, problem_of, refused
from apigateway.core.proxies import HEADER
from apigateway.core.traffic import Traffic
from apigateway.shell.backends import Backends, TokenChannel
from apigateway.shell.callers import Callers
from apigateway.shell.gateway import Gateway
from apigateway.shell.login import Login
from apigateway.shell.passing import Doorkeeper, passed_on
from apigateway.shell.versions import Versions
from apigateway.shell.visits import JSON_TYPE
from ultracloud.base.faults import NotFoundError
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.doors import UNIX, Door, doors_of
from ultracloud.servicekit.expiry import tell_expiry
from ultracloud.servicekit.metrics import CONTENT_TYPE
from ultracloud.servicekit.policy import Authority
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.settings import Peers
from ultracloud.wire import HttpEndpoint, HttpReply, HttpRequest, Limits, TlsFiles

LIMITS = Limits(message_bytes_max=1024 * 1024, body_bytes_max=1024 * 1024)
"""Of a connection from outside. The largest requests: a VM with 32 KiB of user data, a role of some hundred lines."""


async def build(settings: GatewaySettings, runtime: Runtime) -> Login | None:
    """Serve the API of the services that `peers` names, with iam's policy for tokens; none need be up."""
    return await assemble(settings, runtime, runtime.authority())


async def assemble(settings: GatewaySettings, runtime: Runtime, authority: Authority) -> Login | None:
    """Serve the API."""
    backends = Backends(ways(settings.peers, runtime))
    callers = Callers(authority, runtime.clock, Traffic())
    gateway = Gateway(backends, callers, Traffic())
    versions = Versions(settings.traffic, settings.state_dir, gateway.operations)
    gateway.use(versions.first())
    runtime.tasks.create_task(versions.watch(gateway.use, runtime.clock), name="watch the traffic file")
    _count(runtime, versions, gateway)
    if settings.public.certificate is not None:
        about = "When the certificate that callers are shown ends, in seconds since 1970"
        tell_expiry(runtime.metrics.registry, settings.public.certificate, "ultracloud_gateway_certificate", about)
    login = Login(settings.peers.iam, runtime.identity, callers) if settings.peers.iam else None
    await runtime.serve(
        passed_on(backends),
        [Doorkeeper(callers)],
        limits=LIMITS,
        doors=doors(settings, runtime),
        endpoints=lambda _calls: pages(runtime, gateway, login),
        refusal=refusal,
    )
    return login


def refusal(status: int, sentence: str) -> HttpReply:
    """The answer to a request that is none of ours to read: too large, too slow, no HTTP."""
    trace = deadlines.new_trace()
    problem = refused(status, sentence, trace)
    return HttpReply(problem.status, problem.body, PROBLEM_TYPE, {**problem.fields, "x-request-id": trace})


def ways(peers: Peers, runtime: Runtime) -> dict[str, TokenChannel]:
    """The ways to the services whose RPCs have REST paths; those without an address are answered with Unavailable."""
    made: dict[str, TokenChannel] = {}
    if peers.iam:
        made["iam"] = runtime.peer("iam")
    if peers.prismnet:
        made["prismnet"] = runtime.peer("prismnet")
    if peers.plasmavmc:
        made["plasmavmc"] = runtime.peer("plasmavmc")
    return made


def doors(settings: GatewaySettings, runtime: Runtime) -> list[Door]:
    """Where callers come in: nobody is asked for a certificate."""
    own, public = runtime.identity, settings.public
    if public.certificate is not None and public.key is not None:
        tls = TlsFiles(public.certificate, public.key, None, require_client_cert=False)
    elif own is not None:
        tls = TlsFiles(own.certificate, own.key, None, require_client_cert=False)
    else:
        return doors_of(settings.listen, None, require_client_certificate=False)
    made = [Door(settings.listen.address, tls)]
    return [*made, Door(f"{UNIX}{settings.listen.unix}", tls)] if settings.listen.unix else made


def pages(runtime: Runtime, gateway: Gateway, login: Login | None) -> dict[str, HttpEndpoint]:
    """Every path that is answered, but for those that every service has."""
    document = resources.files("ultracloud.api.rest").joinpath("openapi.json").read_bytes()
    etag = f'"{hashlib.sha256(document).hexdigest()[:16]}"'

    def describe(request: HttpRequest) -> HttpReply:
        fields = {"etag": etag, "cache-control": "max-age=300", "access-control-allow-origin": "*"}
        if request.metadata.get("if-none-match") == etag:
            return HttpReply(304, b"", JSON_TYPE, fields)
        return HttpReply(200, document, JSON_TYPE, fields)

    def measure(request: HttpRequest) -> HttpReply:
        if not _is_near(request):
            return nothing(request)
        return HttpReply(200, runtime.metrics.render(), CONTENT_TYPE)

    def nothing(request: HttpRequest) -> HttpReply:
        fault = NotFoundError(f"there is no {request.path[:200]!a}", hint="GET /openapi.json lists all")
        trace = deadlines.trace_of(request.metadata) or deadlines.new_trace()
        problem = problem_of(fault, trace)
        return HttpReply(problem.status, problem.body, PROBLEM_TYPE, {"x-request-id": trace})

    own: dict[str, HttpEndpoint] = {
        "/v1/": gateway.endpoint,
        "/openapi.json": describe,
        "/metrics": measure,
        "/": nothing,
    }
    return {**(login.endpoints() if login else {}), **own}


def _is_near(request: HttpRequest) -> bool:
    """Whether a caller is on this machine, and not a proxy on it that speaks for somebody: measures are operators'."""
    address = request.peer.address
    if any(name in request.metadata for name in (HEADER, "forwarded")):
        return False
    host = address.rpartition(":")[0]
    try:
        return address == UNIX or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _count(runtime: Runtime, versions: Versions, gateway: Gateway) -> None:
    """What `/metrics` tells besides what every service tells."""
    registry = runtime.metrics.registry
    version = Gauge("ultracloud_gateway_traffic_version", "Version of the traffic file in force", registry=registry)
    version.set_function(lambda: versions.number)
    refused = Gauge("ultracloud_gateway_traffic_refused", "1 while the traffic file is wrong", registry=registry)
    refused.set_function(lambda: versions.is_refused)
    streams = Gauge("ultracloud_gateway_streams", "Watches that are open", registry=registry)
    streams.set_function(lambda: gateway.streams.open_count)
