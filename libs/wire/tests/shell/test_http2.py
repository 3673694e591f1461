from __future__ import annotations

import asyncio

import pytest
from h2_client import CALL, framed
from hpack import Encoder

from ultracloud.api.rpc import Peer
from ultracloud.api.wire.v1.echo_pb2 import EchoRequest
from ultracloud.api.wire.v1.echo_rpc import ECHO
from ultracloud.wire import Limits, service
from ultracloud.wire.core.frames import END_HEADERS, END_STREAM, PREFACE, Kind, parse, render_frame, render_settings
from ultracloud.wire.shell import http2
from ultracloud.wire.shell.edge import Site
from ultracloud.wire.shell.http2 import Http2Protocol
from ultracloud.wire.shell.members import Members
from ultracloud.wire.shell.pages import Pages
from ultracloud.wire.shell.routes import route_table
from ultracloud.wire.testing import PlainEcho


class Wire(asyncio.Transport):
    """A transport that keeps what it is given, and is as full as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reads = True
        self.said: list[str] = []

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return "close" in self.said

    def close(self) -> None:
        self.said.append("close")

    def abort(self) -> None:
        self.said.append("abort")

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


async def test_bytes_that_arrive_while_the_transport_is_full_are_served_once_it_is_not() -> None:
    wire = Wire()
    site = Site.make(route_table([service(ECHO, PlainEcho())]), ())
    protocol = Http2Protocol(Limits(), site, Pages({}, {}), Peer("test", None), Members())
    protocol.connection_made(wire)
    protocol.data_received(PREFACE + render_settings({}))
    protocol.pause_writing()
    assert not wire.reads
    before = wire.written
    protocol.data_received(say(1) + say(3))
    assert wire.written == before
    protocol.resume_writing()
    assert wire.reads
    frames, _ = parse(wire.written[len(before) :])
    assert [frame.stream_id for frame in frames if frame.kind == Kind.DATA] == [1, 3]


async def test_a_connection_that_ends_after_its_drain_is_closed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "LINGER_S", 0.0)
    wire = Wire()
    protocol = Http2Protocol(Limits(), Site.make({}, ()), Pages({}, {}), Peer("test", None), Members())
    protocol.connection_made(wire)
    protocol.data_received(PREFACE + render_settings({}))
    protocol.start_drain()
    protocol.finish_drain()
    protocol.data_received(render_frame(Kind.SETTINGS, 0, 1))
    await asyncio.sleep(0.05)
    assert wire.said == ["close", "abort"]


def say(stream_id: int) -> bytes:
    fields = [(":path", f"/{ECHO.name}/Say", True), *((k, v, True) for k, v in CALL if k != ":path")]
    message = framed(EchoRequest(payload=b"x").SerializeToString())
    headers = render_frame(Kind.HEADERS, END_HEADERS, stream_id, Encoder().encode(fields))
    return headers + render_frame(Kind.DATA, END_STREAM, stream_id, message)
