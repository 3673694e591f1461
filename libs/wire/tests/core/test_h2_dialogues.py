from __future__ import annotations

import tracemalloc

import h2.settings
import pytest
from h2_client import CALL, Dialogue, framed
from hypothesis import given, settings
from hypothesis import strategies as st

from ultracloud.wire.core.events import CallArrived, CallReset, CallStarted, MessageArrived, RequestEnded
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.messages import Assembler
from ultracloud.wire.core.status import OK_BLOCK, trailers
from ultracloud.wire.errors import ErrorCode

INITIAL_WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE


@given(st.lists(st.binary(max_size=70_000), max_size=4), st.integers(1, 100_000), st.integers(0, 200_000))
@settings(deadline=None, max_examples=60)
def test_responses_arrive_whole_through_any_window(messages: list[bytes], window: int, changed: int) -> None:
    dialogue = Dialogue(window=window)
    stream_id = dialogue.call(b"go")
    for message in messages:
        dialogue.machine.sender.send(stream_id, message)
    dialogue.machine.sender.finish(stream_id, OK_BLOCK)
    dialogue.client.update_settings({INITIAL_WINDOW: changed})
    dialogue.run()
    if not changed:
        dialogue.client.update_settings({INITIAL_WINDOW: 10})
        dialogue.run()
    assert dialogue.body[stream_id] == b"".join(framed(message) for message in messages)
    assert dialogue.fields[stream_id]["grpc-status"] == "0"
    assert dialogue.ended == {stream_id}


@given(st.lists(st.binary(max_size=300_000), min_size=1, max_size=3))
@settings(deadline=None, max_examples=30)
def test_requests_arrive_whole_through_our_windows(messages: list[bytes]) -> None:
    dialogue = Dialogue(Limits(stream_window_bytes=65_535, connection_window_bytes=65_535))
    dialogue.call(*messages)
    made = [event.message for event in dialogue.events if isinstance(event, MessageArrived | CallArrived)]
    assert made == messages


def test_a_padded_request_costs_window_and_nothing_else() -> None:
    dialogue = Dialogue(Limits(stream_window_bytes=65_535, connection_window_bytes=65_535))
    stream_id = dialogue.call(end=False)
    for _ in range(300):
        dialogue.send(stream_id, framed(b"x" * 100), pad_length=255)
    assert sum(isinstance(event, MessageArrived) for event in dialogue.events) == 300


def test_a_method_that_does_not_read_stops_its_own_client_only() -> None:
    limits = Limits(stream_window_bytes=65_535, connection_window_bytes=65_535, stream_unread_bytes_max=30_000)
    dialogue = Dialogue(limits)
    stuck, free = dialogue.call(end=False), dialogue.call(end=False)
    dialogue.send(stuck, framed(b"x" * 60_000))
    assert dialogue.client.local_flow_control_window(stuck) < 10_000
    for _ in range(10):
        dialogue.send(free, framed(b"y" * 20_000))
        dialogue.machine.consume(free, 20_000)
    dialogue.machine.consume(stuck, 60_000)
    dialogue.run()
    assert dialogue.client.local_flow_control_window(stuck) > 50_000


def test_headers_that_need_continuation_arrive() -> None:
    dialogue = Dialogue(Limits(header_list_bytes_max=64 * 1024, header_block_bytes_max=64 * 1024))
    dialogue.call(fields=[("x-large", "v" * 30_000)])
    started = [event for event in dialogue.events if isinstance(event, CallStarted)]
    assert [event.head.metadata["x-large"] for event in started] == ["v" * 30_000]


def test_our_headers_decode_after_the_client_shrinks_its_table() -> None:
    dialogue = Dialogue()
    for size in (4096, 0, 100, 4096):
        dialogue.client.update_settings({h2.settings.SettingCodes.HEADER_TABLE_SIZE: size})
        dialogue.run()
        stream_id = dialogue.call(b"a")
        dialogue.machine.sender.reply(stream_id, b"b")
        dialogue.run()
        assert dialogue.fields[stream_id]["grpc-status"] == "0"


def test_frames_are_no_larger_than_the_client_takes() -> None:
    dialogue = Dialogue(window=1_000_000)
    dialogue.client.increment_flow_control_window(1_000_000)
    dialogue.client.update_settings({h2.settings.SettingCodes.MAX_FRAME_SIZE: 20_000})
    stream_id = dialogue.call(b"a")
    dialogue.machine.sender.reply(stream_id, b"b" * 300_000)
    dialogue.run()
    assert len(dialogue.body[stream_id]) == 300_005


def test_a_client_that_grants_nothing_gets_headers_and_no_message() -> None:
    dialogue = Dialogue(window=0)
    stream_id = dialogue.call(b"a")
    dialogue.machine.sender.reply(stream_id, b"b")
    dialogue.run()
    assert (dialogue.fields[stream_id][":status"], dialogue.body[stream_id]) == ("200", b"")
    dialogue.client.reset_stream(stream_id)
    dialogue.run()
    assert not dialogue.machine.has_calls


def test_many_streams_share_the_connection_window_fairly() -> None:
    dialogue = Dialogue(window=500_000)
    dialogue.gives_windows = False
    streams = [dialogue.call(b"a") for _ in range(4)]
    for stream_id in streams:
        dialogue.machine.sender.reply(stream_id, b"b" * 100_000)
    dialogue.run()
    first = dict(dialogue.body)
    dialogue.client.increment_flow_control_window(4 * 16_384)
    dialogue.run()
    gained = [len(dialogue.body[stream_id]) - len(first.get(stream_id, b"")) for stream_id in streams]
    assert min(gained) > 0


def test_a_cancelled_call_is_told_of_once() -> None:
    dialogue = Dialogue()
    stream_id = dialogue.call(b"a", end=False)
    dialogue.client.reset_stream(stream_id, ErrorCode.CANCEL)
    dialogue.run()
    dialogue.machine.sender.send(stream_id, b"late")
    dialogue.machine.sender.finish(stream_id, OK_BLOCK)
    assert [type(event) for event in dialogue.events[-1:]] == [CallReset]
    assert dialogue.machine.sender.take() == b""


def test_an_early_end_asks_the_client_to_stop_without_error() -> None:
    dialogue = Dialogue()
    stream_id = dialogue.call(b"a", end=False)
    dialogue.machine.sender.finish(stream_id, trailers(9, "not now"))
    dialogue.run()
    assert dialogue.fields[stream_id]["grpc-message"] == "not now"
    assert dialogue.resets.get(stream_id, 0) == ErrorCode.NO_ERROR


def test_more_streams_than_allowed_are_refused_and_may_be_sent_again() -> None:
    dialogue = Dialogue(Limits(streams_max=2))
    dialogue.client.remote_settings.acknowledge()
    dialogue.client.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 10
    dialogue.client.remote_settings.acknowledge()
    streams = [dialogue.call(end=False) for _ in range(3)]
    assert dialogue.resets == {streams[2]: ErrorCode.REFUSED_STREAM}
    assert sum(isinstance(event, RequestEnded) for event in dialogue.events) == 0


@pytest.mark.parametrize("flood", ["ping", "settings", "reset"])
def test_a_flood_ends_with_enhance_your_calm(flood: str) -> None:
    dialogue = Dialogue(Limits(pings_max=50, settings_max=50, resets_max=50))
    for _ in range(60):
        if flood == "ping":
            dialogue.client.ping(b"12345678")
        elif flood == "settings":
            dialogue.client.update_settings({INITIAL_WINDOW: 1000})
        else:
            stream_id = dialogue.client.get_next_available_stream_id()
            dialogue.client.send_headers(stream_id, CALL)
            dialogue.client.reset_stream(stream_id)
    dialogue.run()
    assert dialogue.ended_by == ErrorCode.ENHANCE_YOUR_CALM
    assert dialogue.machine.is_closed


def test_empty_messages_nobody_reads_run_out_of_window() -> None:
    dialogue = Dialogue(Limits(stream_window_bytes=65_535, stream_unread_bytes_max=1000))
    stream_id = dialogue.call(end=False)
    with pytest.raises(AssertionError, match="gives no window"):
        dialogue.send(stream_id, framed(b"") * 100_000)
    assert sum(isinstance(event, MessageArrived) for event in dialogue.events) <= 65_535 // 5


def test_a_message_that_comes_byte_by_byte_is_held_in_one_buffer() -> None:
    assembler = Assembler(1_000_000)
    tracemalloc.start()
    assembler.feed(b"\0\0\x0f\0\0")
    for _ in range(200_000):
        assembler.feed(b"x")
    held, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 * 200_000


def test_a_client_that_resets_what_it_does_not_wait_for_is_no_flood() -> None:
    dialogue = Dialogue(Limits(resets_max=10, resets_per_second=1))
    for _ in range(100):
        answered, given_up = dialogue.call(b"a"), dialogue.call(b"b")
        dialogue.machine.sender.reply(answered, b"c")
        dialogue.client.reset_stream(given_up, ErrorCode.CANCEL)
        dialogue.run()
    assert dialogue.ended_by is None
