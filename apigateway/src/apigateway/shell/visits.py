"""A request on its way through the gateway: what serves it, what its answer has so far, and how its fault is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from apigateway.core.answers import Read
from apigateway.core.binding import Binding, MediaTypeError
from apigateway.core.problems import PROBLEM_TYPE, problem_of
from apigateway.core.writing import Write
from apigateway.shell.callers import RateLimitedError
from ultracloud.api.rest.routes import Route
from ultracloud.base.faults import Fault
from ultracloud.wire import HttpReply, HttpRequest

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Served:
    """A route, ready to serve.

    Attributes:
        read: Writes an answer of its bytes.
        write: Writes a message of a stream.
        backend: The service; empty where the path says which.
    """

    route: Route
    binding: Binding
    read: Read
    write: Write
    backend: str
    status: int


class Visit(NamedTuple):
    """One request.

    Attributes:
        trace: Names it.
        source: The address it comes from.
        fields: Header fields that its answer has, whatever it is; filled as it goes.
    """

    request: HttpRequest
    trace: str
    source: str
    fields: dict[str, str]

    def problem(self, fault: Fault, status: int = 0, more: Mapping[str, str] | None = None) -> HttpReply:
        """A fault as it is told."""
        problem = problem_of(fault, self.trace, 415 if isinstance(fault, MediaTypeError) else status)
        limits = fault.fields if isinstance(fault, RateLimitedError) else {}
        fields = {**self.fields, **problem.fields, **limits, **(more or {})}
        return HttpReply(problem.status, problem.body, PROBLEM_TYPE, fields)
