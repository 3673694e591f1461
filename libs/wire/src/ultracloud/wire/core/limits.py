"""What one connection may take: every bound the server keeps, in one place.

A limit that a well-behaved client can meet by accident (message size, streams) is answered on the stream or by
REFUSED_STREAM; a limit that only a flood meets ends the connection with ENHANCE_YOUR_CALM.

Source: CVE-2019-9511 to 9518 (the floods of HTTP/2), CVE-2023-44487 (rapid reset), VU#421644 (CONTINUATION flood).
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * 1024
BUSY_POLL_S = 40e-6
"""For a server whose clients ask one call after the other: one on this machine has its answer, and has asked again, in
half of that; to sleep and wake takes as long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection. The defaults suit a control plane: many small calls, some streams, few connections.

    Attributes:
        streams_max: Calls open at once. etcd's clients multiplex hundreds; grpcio queues what is over.
        message_bytes_max: One request message. grpcio's own default, so that a client meets no smaller one here.
        body_bytes_max: One request body of plain HTTP: the largest message in JSON, whose bytes take four thirds.
        header_list_bytes_max: Request headers, decoded, as RFC 9113 counts them. A token is 1 KiB.
        header_block_bytes_max: Request headers, compressed, over HEADERS and all CONTINUATION frames.
        continuations_max: CONTINUATION frames of one block. A block that fits the limit above needs none.
        frame_bytes_max: One frame we accept. Larger frames cost fewer steps a megabyte, and hold others up for longer.
        stream_window_bytes: What a client may send on one stream before its method reads.
        connection_window_bytes: The same for all streams together.
        stream_unread_bytes_max: Messages a method has not taken yet, from which on its stream gets no more window.
        connection_unread_bytes_max: The same for all streams together, and for their unfinished messages.
        stream_unsent_bytes_max: Responses waiting for the client's window, from which on a stream's method waits.
        connection_unsent_bytes_max: The same for all streams together; from there on new calls are refused.
        output_bytes_max: Responses not yet given to the transport, from which on requests wait.
        resets_max: RST_STREAM frames a client may burst; `resets_per_second` come back.
        pings_max: PING frames a client may burst between calls; `pings_per_second` come back.
        settings_max: SETTINGS frames a client may burst; `settings_per_second` come back.
        idle_frames_max: Frames that move nothing (empty DATA, PRIORITY, WINDOW_UPDATE, unknown ones) between calls.
        busy_poll_s: How long the server looks for the next request before it sleeps, once this connection's calls are
            all answered; 0 sleeps at once. A lone caller's round trip is shorter by the time a wake-up takes.
        keepalive_idle_s: Silence after which a client is asked by PING whether it lives.
        keepalive_timeout_s: How long it has to answer, and to end a header block or a preface it has begun.
    """

    streams_max: int = 1000
    message_bytes_max: int = 4 * MIB
    body_bytes_max: int = 6 * MIB
    header_list_bytes_max: int = 16 * KIB
    header_block_bytes_max: int = 32 * KIB
    continuations_max: int = 8
    frame_bytes_max: int = 64 * KIB
    stream_window_bytes: int = 1 * MIB
    connection_window_bytes: int = 4 * MIB
    stream_unread_bytes_max: int = 256 * KIB
    connection_unread_bytes_max: int = 64 * MIB
    stream_unsent_bytes_max: int = 64 * KIB
    connection_unsent_bytes_max: int = 64 * MIB
    output_bytes_max: int = 1 * MIB
    resets_max: int = 1000
    resets_per_second: int = 100
    pings_max: int = 1000
    pings_per_second: int = 100
    settings_max: int = 64
    settings_per_second: int = 1
    idle_frames_max: int = 20_000
    idle_frames_per_second: int = 1000
    busy_poll_s: float = 0.0
    keepalive_idle_s: float = 60.0
    keepalive_timeout_s: float = 20.0
