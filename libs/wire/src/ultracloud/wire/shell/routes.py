"""From a path to the Python method that serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from google.protobuf.message import Message

from ultracloud.api.rpc import Call, Method, ServiceDescriptor
from ultracloud.base.faults import Fault

Short: TypeAlias = bytes | asyncio.Future[bytes] | Literal[True] | None
"""What a short way gives; see `service`."""


class ShortCall(Call, Protocol):
    """A call as a short way sees it."""

    def reply(self, octets: bytes, /) -> None:
        """Answer it, once the method has returned True; nothing happens if it has ended meanwhile."""
        ...

    def refuse(self, fault: Fault, /) -> None:
        """The same with a fault."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """How one method is served.

    Attributes:
        serve: ``serve(request, call)`` of whichever shape the method has.
        parse: Makes the request message of bytes.
        response_type: What `serve` has to give.
        is_unary: One message in, one out.
        serve_octets: A short way of a unary method, if it has one; see `service`.
    """

    path: str
    serve: Callable[..., object]
    parse: Callable[[bytes], Message]
    response_type: type[Message]
    client_streaming: bool
    server_streaming: bool
    is_unary: bool
    serve_octets: Callable[[bytes, ShortCall], Short] | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A service and the object that serves it."""

    descriptor: ServiceDescriptor
    routes: Mapping[str, Route]


def service(descriptor: ServiceDescriptor, implementation: object) -> Service:
    """Bind the methods of `implementation` to a service's paths. A method it lacks is answered with UNIMPLEMENTED.

    A unary method ``get`` may have a short way beside it, ``get_octets(octets, call)``: it is given the bytes of a
    request and gives those of the answer, or a future of them, where making messages would be most of the work. Where
    it gives None the method itself is asked, as it is by whoever calls from inside; where it gives True it keeps the
    call, and answers it by `reply` or `refuse` later: that costs a third of what a future does.
    """
    routes = {}
    for method in descriptor.methods:
        serve = getattr(implementation, method.attribute, None)
        if serve is not None:
            short = getattr(implementation, f"{method.attribute}_octets", None)
            routes[method.path] = _route(method, serve, short)
    return Service(descriptor, routes)


def route_table(services: Iterable[Service]) -> dict[str, Route]:
    """All routes of a server by path."""
    return {path: route for each in services for path, route in each.routes.items()}


def _route(method: Method, serve: Callable[..., object], short: Any) -> Route:
    """The route of one method."""
    is_unary = not (method.client_streaming or method.server_streaming)
    assert is_unary or short is None, f"{method.path} streams, which is no matter of one string of bytes"
    return Route(
        path=method.path,
        serve=serve,
        parse=method.request_type.FromString,
        response_type=method.response_type,
        client_streaming=method.client_streaming,
        server_streaming=method.server_streaming,
        is_unary=is_unary,
        serve_octets=short,
    )
