"""The JSON gateway: etcd's API by POST of JSON, for clients without gRPC.

A request becomes a call of the same services, with the same interceptors, as one that comes by gRPC. Bytes are base64,
64-bit numbers are strings, fields may be in camel or snake case and are answered in snake case, what has its default
value is left out, and what a stream gives is a line of JSON each.

A page of some web site that runs in a browser beside us may send such requests too, without being able to read the
answers. So a request that names another origin than ours is refused, where etcd serves everybody.

Source: grpc-gateway's mapping, as etcd 3.5 has it; protobuf's JSON mapping.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from urllib.parse import urlsplit

from google.protobuf.message import Message

from chainfire.shell import gateway_json
from chainfire.shell.gateway_paths import METHODS
from ultracloud.api.rpc import Method
from ultracloud.base.faults import Fault, InvalidArgumentError, PermissionDeniedError, ResourceExhaustedError
from ultracloud.wire import Caller, HttpAnswer, HttpReply, HttpRequest, HttpStream, InnerCalls, parse_timeout

JSON = "application/json"
CONTENT_TYPE = {"grpc-metadata-content-type": "application/grpc"}
"""What etcd's gateway says besides, and some clients look for."""
PASSED_ON = "grpc-metadata-"
"""Header fields that begin so are metadata of the call."""
NOT_FOUND, UNIMPLEMENTED = 5, 12
INLINE_BYTES_MAX = 64 * 1024
"""Answers that are rendered on the loop: a millisecond or two. Larger ones are in a thread."""


class Gateway:
    """Answers everything below /v3/.

    Args:
        calls: The way to the services.
        message_bytes_max: Of one request, as a message: the same as by gRPC.
    """

    def __init__(self, calls: InnerCalls, message_bytes_max: int) -> None:
        self._calls = calls
        self._message_bytes_max = message_bytes_max

    async def __call__(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request."""
        method = METHODS.get(request.path)
        if method is None or not self._calls.serves(method.path):
            return _refusal(NOT_FOUND, "Not Found")
        if request.method != "POST":
            return _refusal(UNIMPLEMENTED, "Method Not Allowed")
        try:
            _check_origin(request.metadata)
            caller = Caller(metadata_of(request.metadata), request.peer, _timeout_s(request.metadata))
            messages = gateway_json.parse(request.body, method.request_type, many=method.client_streaming)
            self._check_sizes(messages)
            if method.server_streaming:
                return await self._stream(method, messages, caller)
            answer = await self._calls.unary(method.path, messages[0], caller)
            return HttpReply(200, await _rendered(answer, method), JSON, CONTENT_TYPE)
        except Fault as fault:
            return _refusal(fault.code, fault.public, streams=method.server_streaming)

    async def _stream(self, method: Method, messages: list[Message], caller: Caller) -> HttpAnswer:
        """Begin a stream once it has its first answer: what is refused before that has a status of its own."""
        answers = self._calls.stream(method.path, messages, caller)
        try:
            first = await anext(answers)
        except StopAsyncIteration:
            return HttpReply(200, b"", JSON, CONTENT_TYPE)
        return HttpStream(_lines(first, answers, method), 200, JSON, CONTENT_TYPE)

    def _check_sizes(self, messages: list[Message]) -> None:
        for message in messages:
            size = message.ByteSize()
            if size > self._message_bytes_max:
                # grpc-go's sentence, which clients of etcd know.
                raise ResourceExhaustedError(
                    f"grpc: received message larger than max ({size} vs. {self._message_bytes_max})"
                )


def metadata_of(fields: Mapping[str, str]) -> dict[str, str]:
    """The metadata that header fields make, by grpc-gateway's rules."""
    made = {f"grpcgateway-{name}": value for name, value in fields.items() if not name.startswith(PASSED_ON)}
    # Says that the certificate of the connection, if there is one, is not the caller's word on who it is.
    made.setdefault("grpcgateway-accept", "*/*")
    if "authorization" in fields:
        made["authorization"] = fields["authorization"]
    for name, value in fields.items():
        if name.startswith(PASSED_ON):
            made[name.removeprefix(PASSED_ON)] = value
    return made


async def _lines(first: bytes, answers: AsyncGenerator[bytes, None], method: Method) -> AsyncGenerator[bytes, None]:
    """A stream's answers, a line each; an error is the last line."""
    async with aclosing(answers):
        yield await _line(first, method)
        try:
            async for answer in answers:
                yield await _line(answer, method)
        except Fault as fault:
            yield gateway_json.refusal(fault.code, fault.public, streams=True) + b"\n"


async def _line(answer: bytes, method: Method) -> bytes:
    return b'{"result":' + await _rendered(answer, method) + b"}\n"


async def _rendered(answer: bytes, method: Method) -> bytes:
    if len(answer) <= INLINE_BYTES_MAX:
        return gateway_json.render(answer, method.response_type)
    return await asyncio.to_thread(gateway_json.render, answer, method.response_type)


def _refusal(code: int, message: str, *, streams: bool = False) -> HttpReply:
    return HttpReply(gateway_json.STATUS_OF_CODE[code], gateway_json.refusal(code, message, streams=streams), JSON)


def _timeout_s(fields: Mapping[str, str]) -> float | None:
    """What the client waits.

    Raises:
        InvalidArgumentError: `grpc-timeout` is none.
    """
    said = fields.get("grpc-timeout")
    timeout_s = None if said is None else parse_timeout(said)
    if said is not None and timeout_s is None:
        raise InvalidArgumentError(f"invalid grpc-timeout: {said[:40]}")
    return timeout_s


def _check_origin(fields: Mapping[str, str]) -> None:
    """Refuse a request that a page of another origin made.

    Raises:
        PermissionDeniedError: It is one.
    """
    origin = fields.get("origin")
    if origin is not None and urlsplit(origin).netloc != fields.get("host"):
        raise PermissionDeniedError("chainfire: pages of other origins may not use the gateway")
