"""What a service is asked for a request: sent inline, and its answer passed on by a callback.

Only what has to wait for a connection, or to be asked again, takes a task.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from typing import NamedTuple

from google.protobuf.message import DecodeError

from apigateway.core.answers import Written
from apigateway.core.binding import is_known
from apigateway.core.traffic import DEFAULT_TIMEOUTS_S
from apigateway.shell.backends import AskingChannel, Backends, forwarded
from apigateway.shell.visits import JSON_TYPE, Served, Visit
from ultracloud.base.faults import Fault, InternalError
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.channels import DEADLINE_S
from ultracloud.wire import CallFailedError, HttpAnswer, HttpLater, HttpReply, HttpWork

CREATED = 201


class Question(NamedTuple):
    """What a service is asked.

    Attributes:
        octets: The request message.
        backend: The service.
    """

    served: Served
    octets: bytes
    backend: str


class Asking:
    """Asks the services.

    Args:
        backends: The services.
    """

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self._timeouts_s: Mapping[str, float] = DEFAULT_TIMEOUTS_S

    def use(self, timeouts_s: Mapping[str, float]) -> None:
        """Give operations other deadlines from now on."""
        self._timeouts_s = {**DEFAULT_TIMEOUTS_S, **timeouts_s}

    def ask(self, visit: Visit, question: Question, token: str) -> HttpWork:
        """Ask a service for the holder of a token, and answer what it answers.

        Raises:
            Fault: There is no such service, or the token is none.
        """
        route = question.served.route
        channel = self._backends.for_caller(question.backend, token)
        timeout_s = self._timeouts_s.get(route.operation, DEADLINE_S)
        waited = channel.ask(route.rpc.path, question.octets, timeout_s, visit.trace, forwarded(visit.source))
        if waited is None:
            return _wait(channel, visit, question, timeout_s)
        ends_at = time.monotonic() + timeout_s

        def finish(answered: asyncio.Future[bytes]) -> HttpReply | Awaitable[HttpAnswer]:
            error = answered.exception()
            if error is None:
                return _answer(visit, question.served, answered.result())
            assert isinstance(error, CallFailedError), error
            left_s = ends_at - time.monotonic()
            if left_s > 0 and channel.may_repeat(route.rpc.path, error):
                return _wait(channel, visit, question, left_s)
            return visit.problem(channel.fault_of(error))

        return HttpLater(waited, finish)


async def _wait(channel: AskingChannel, visit: Visit, question: Question, timeout_s: float) -> HttpAnswer:
    """Ask a service that may have to be waited for, or asked again."""
    rpc = question.served.route.rpc
    deadlines.TRACE.set(visit.trace)
    message = rpc.request_type.FromString(question.octets)
    try:
        answer = await channel.unary(rpc.path, message, rpc.response_type, timeout_s, forwarded(visit.source))
    except Fault as fault:
        return visit.problem(fault)
    return _answer(visit, question.served, answer.SerializeToString())


def _answer(visit: Visit, served: Served, octets: bytes) -> HttpReply:
    """A service's answer as the answer to a request."""
    try:
        written = served.read(octets)
    except DecodeError:
        detail = f"{served.route.rpc.path} answered {len(octets)} bytes that are no message"
        return visit.problem(InternalError("the service answers what cannot be read", detail=detail))
    return _resource(visit, served, written) if written.etag else _told(visit, served, written)


def _resource(visit: Visit, served: Served, written: Written) -> HttpReply:
    """An answer that is a resource."""
    request, fields = visit.request, visit.fields
    fields["etag"] = f'"{written.etag}"'
    if served.status == CREATED:
        fields["location"] = f"{request.path}/{written.id}"
    known = request.metadata.get("if-none-match")
    if known is not None and served.route.rpc.name == "Get" and is_known(known, written.etag):
        return HttpReply(304, b"", JSON_TYPE, fields)
    return _told(visit, served, written)


def _told(visit: Visit, served: Served, written: Written) -> HttpReply:
    return HttpReply(served.status, written.text.encode(), JSON_TYPE, visit.fields)
