"""Python's h2 as a client of the machine, in memory: no socket, no clock, and h2 checks every rule on our side."""

from __future__ import annotations

from collections import defaultdict

import h2.config
import h2.connection
import h2.events
import h2.settings

from ultracloud.wire.core.connection import Connection
from ultracloud.wire.core.events import Event
from ultracloud.wire.core.limits import Limits

CALL = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "test"),
    (":path", "/p.S/M"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]


def framed(message: bytes) -> bytes:
    """A gRPC message."""
    return b"\0" + len(message).to_bytes(4, "big") + message


class Dialogue:
    """An h2 client and a machine with nothing between them."""

    def __init__(self, limits: Limits | None = None, window: int | None = None) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.machine = Connection(limits or Limits(), 0.0)
        self.events: list[Event] = []
        """What the machine has told its shell."""
        self.body: dict[int, bytes] = defaultdict(bytes)
        self.fields: dict[int, dict[str, str]] = defaultdict(dict)
        """Headers and trailers of responses."""
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.ended_by: int | None = None
        """Error code of the machine's GOAWAY."""
        self.gives_windows = True
        """Whether the client gives window for what it has read."""
        if window is not None:
            initial = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
            self.client.local_settings = h2.settings.Settings(client=True, initial_values=initial)
        self.client.initiate_connection()
        self.run()

    def run(self) -> None:
        """Let both sides talk until neither has anything to say."""
        while True:
            sent, answered = self.client.data_to_send(), self.machine.sender.take()
            if not sent and not answered:
                return
            self.events += self.machine.receive(sent, 0.0) if sent else []
            for event in self.client.receive_data(answered) if answered else []:
                self.note(event)

    def note(self, event: h2.events.Event) -> None:
        """Write down what the client sees."""
        match event:
            case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                self.fields[event.stream_id].update(dict(event.headers))
            case h2.events.DataReceived():
                self.body[event.stream_id] += event.data
                if self.gives_windows:
                    self.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.ended.add(event.stream_id)
            case h2.events.StreamReset():
                self.resets[event.stream_id] = event.error_code
            case h2.events.ConnectionTerminated():
                self.ended_by = event.error_code

    def call(self, *messages: bytes, end: bool = True, fields: list[tuple[str, str]] | None = None) -> int:
        """Begin a call, send its messages as far as the windows go, give its stream id."""
        stream_id = self.client.get_next_available_stream_id()
        self.client.send_headers(stream_id, [*CALL, *(fields or [])])
        for message in messages:
            self.send(stream_id, framed(message))
        if end:
            self.client.end_stream(stream_id)
        self.run()
        return stream_id

    def send(self, stream_id: int, octets: bytes, **how: int) -> None:
        """Send bytes in as many frames and windows as it takes."""
        while octets:
            room = min(self.client.local_flow_control_window(stream_id), self.client.max_outbound_frame_size)
            assert room > how.get("pad_length", -1) + 1, "the machine gives no window"
            part, octets = (
                octets[: room - how.get("pad_length", -1) - 1],
                octets[room - how.get("pad_length", -1) - 1 :],
            )
            self.client.send_data(stream_id, part, **how)
            self.run()
