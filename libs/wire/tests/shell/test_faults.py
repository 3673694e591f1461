from __future__ import annotations

import asyncio
import logging

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, LocalizedMessage
from grpc_status import rpc_status
from serving import calling, refused, serving, until

from ultracloud.api.rpc import Call
from ultracloud.api.wire.v1.echo_pb2 import EchoRequest, EchoResponse
from ultracloud.base.faults import FAULT_OF_CODE, DataLossError, PermissionDeniedError
from ultracloud.wire import Interceptor
from ultracloud.wire.testing import AsyncEcho, DeferredEcho, PlainEcho


@pytest.mark.parametrize("implementation", [PlainEcho, AsyncEcho])
async def test_every_fault_arrives_with_code_sentence_and_details(implementation: type) -> None:
    async with serving(implementation()) as (_server, target), calling(target) as echo:
        for code in sorted(FAULT_OF_CODE):
            with pytest.raises(grpc.RpcError) as caught:
                await echo.say(EchoRequest(fail_code=code))
            assert caught.value.code().value[0] == code
            assert caught.value.details() == "asked to fail: ü %"
            about, hint = ErrorInfo(), LocalizedMessage()
            status = rpc_status.from_call(blocking_view(caught.value))
            assert status.details[0].Unpack(about)
            assert status.details[1].Unpack(hint)
            assert (about.reason, about.domain, dict(about.metadata)) == ("ASKED", "ultracloud", {"k": "v"})
            assert hint.message == "ask for less"


def blocking_view(error: grpc.aio.AioRpcError) -> grpc.Call:
    """grpc_status wants grpcio's blocking call, which has the same three things."""

    class View:
        code = staticmethod(error.code)
        details = staticmethod(error.details)
        trailing_metadata = staticmethod(error.trailing_metadata)

    return View  # type: ignore[return-value]


@pytest.mark.parametrize("implementation", [PlainEcho, AsyncEcho])
async def test_a_defect_shows_the_client_an_id_and_the_log_everything(
    implementation: type, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with serving(implementation()) as (_server, target), calling(target) as echo:
        with refused(grpc.StatusCode.INTERNAL) as caught:
            await echo.say(EchoRequest(fail_code=99))
    error_id = caught[0].details().removeprefix("internal error ")
    assert "secret" not in caught[0].debug_error_string()
    assert error_id in caplog.text
    assert "secret: a defect of the service" in caplog.text


class Torn:
    """Fails with a fault whose detail is for the log."""

    def say(self, _request: EchoRequest, _call: Call) -> EchoResponse:
        raise DataLossError("the record is damaged", detail="/var/lib/x at offset 7")


async def test_the_detail_of_a_fault_reaches_the_log_and_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Torn()) as (_server, target), calling(target) as echo:
        with refused(grpc.StatusCode.DATA_LOSS) as caught:
            await echo.say(EchoRequest())
    assert "/var/lib/x" not in caught[0].debug_error_string()
    assert "the record is damaged [/var/lib/x at offset 7]" in caplog.text


async def test_a_stream_fails_after_what_it_has_sent() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        chat = echo.chat([EchoRequest(payload=b"a"), EchoRequest(payload=b"b"), EchoRequest(fail_code=9)])
        got = []
        with refused(grpc.StatusCode.FAILED_PRECONDITION):
            async for each in chat:
                got.append(each.payload)  # noqa: PERF401 - what came before the error counts
        assert got == [b"a", b"b"]


async def test_a_client_stream_may_be_refused_before_it_ends() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        call = echo.gather()
        await call.write(EchoRequest(fail_code=7))
        assert await call.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_deadline_ends_the_call_and_cancels_the_method() -> None:
    implementation = AsyncEcho()
    async with serving(implementation) as (_server, target), calling(target) as echo:
        with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
            await echo.say(EchoRequest(delay_s=60), timeout=0.1)
        await until(lambda: implementation.cancelled == 1)
        assert 0 < implementation.times_remaining[0] <= 0.11


async def test_a_deadline_holds_while_the_request_is_still_coming() -> None:
    async with serving() as (_server, target), calling(target) as echo:
        call = echo.gather(timeout=0.1)
        await call.write(EchoRequest())
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_without_a_deadline_there_is_no_time_remaining() -> None:
    implementation = AsyncEcho()
    async with serving(implementation) as (_server, target), calling(target) as echo:
        await echo.say(EchoRequest())
    assert implementation.times_remaining == [None]


class Guard(Interceptor):
    """Lets in who says the word; remembers how calls ended."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, int]] = []

    def admit(self, call: Call, /) -> None:
        if call.metadata.get("word") != "please":
            raise PermissionDeniedError("say please")
        call.context["guard"] = "was here"

    def done(self, call: Call, code: int, seconds: float, /) -> None:
        assert seconds >= 0
        self.ended.append((call.path.rpartition("/")[2], code))


async def test_an_interceptor_admits_refuses_and_sees_every_end() -> None:
    guard = Guard()
    word = (("word", "please"),)
    async with serving(interceptors=(guard,)) as (_server, target), calling(target) as echo:
        with refused(grpc.StatusCode.PERMISSION_DENIED):
            await echo.say(EchoRequest())
        with refused(grpc.StatusCode.PERMISSION_DENIED):
            await echo.gather([EchoRequest()])
        await echo.say(EchoRequest(), metadata=word)
        with refused(grpc.StatusCode.NOT_FOUND):
            await echo.say(EchoRequest(fail_code=5), metadata=word)
        with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
            await echo.say(EchoRequest(delay_s=60), metadata=word, timeout=0.05)
        assert len([each async for each in echo.repeat(EchoRequest(count=3), metadata=word)]) == 3
        await until(lambda: len(guard.ended) == 6)
    assert guard.ended == [("Say", 7), ("Gather", 7), ("Say", 0), ("Say", 5), ("Say", guard.ended[4][1]), ("Repeat", 0)]
    assert guard.ended[4][1] in (1, 4)


async def test_who_may_not_call_is_told_before_the_request_has_come() -> None:
    async with serving(interceptors=(Guard(),)) as (_server, target), calling(target) as echo:
        say = echo.channel.stream_unary("/ultracloud.wire.v1.Echo/Say", EchoRequest.SerializeToString)
        call = say()
        assert await call.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_call_in_parts_is_admitted_once() -> None:
    guard = Guard()
    admitted: list[str] = []
    guard.admit = lambda call: admitted.append(call.path)  # type: ignore[method-assign,assignment]
    async with serving(interceptors=(guard,)) as (_server, target), calling(target) as echo:
        await echo.say(EchoRequest(payload=b"x" * 300_000))
    assert admitted == ["/ultracloud.wire.v1.Echo/Say"]
    assert guard.ended == [("Say", 0)]


async def test_an_interceptor_may_stand_around_a_method() -> None:
    order: list[str] = []

    class Around:
        async def intercept(self, call: Call, proceed) -> None:  # noqa: ANN001
            order.append(f"before {call.path.rpartition('/')[2]}")
            await proceed()
            order.append("after")

    async with serving(PlainEcho(), interceptors=(Around(),)) as (_server, target), calling(target) as echo:
        assert (await echo.say(EchoRequest(payload=b"x"))).payload == b"x"
        with refused(grpc.StatusCode.NOT_FOUND):
            await echo.say(EchoRequest(fail_code=5))
    assert order == ["before Say", "after", "before Say"]


async def test_a_method_that_gives_something_else_is_a_defect() -> None:
    class Wrong:
        def say(self, _request, _call, /):  # noqa: ANN001, ANN202
            return "no message"

        async def gather(self, _requests, _call, /):  # noqa: ANN001, ANN202
            return None

    async with serving(Wrong()) as (_server, target), calling(target) as echo:
        for call in (echo.say(EchoRequest()), echo.gather([EchoRequest()])):
            with refused(grpc.StatusCode.INTERNAL):
                await call


async def test_a_future_kept_after_its_client_has_gone_harms_nobody() -> None:
    promises: list[asyncio.Future[EchoResponse]] = []

    class Slow(DeferredEcho):
        def say(self, _request: EchoRequest, _call: Call, /) -> asyncio.Future[EchoResponse]:
            promises.append(asyncio.get_running_loop().create_future())
            return promises[-1]

    async with serving(Slow()) as (_server, target), calling(target) as echo:
        gone, kept = echo.say(EchoRequest()), echo.say(EchoRequest())
        await until(lambda: len(promises) == 2)
        gone.cancel()
        await asyncio.sleep(0.05)
        for promise in promises:
            promise.set_result(EchoResponse(payload=b"late"))
        assert (await kept).payload == b"late"
