"""Holds a golden conversation with the connection machine and writes down what it answers.

A line starting with ``>`` is what happens to the machine; the lines behind it are what it answers: ``<`` a frame it
sends, ``!`` an event for its shell. Comments stay as they are. `hold` gives the whole text back with the answers the
machine gives now, so a conversation holds if the text comes back unchanged.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import fields

from hpack import Decoder, Encoder

from ultracloud.wire.core.connection import Connection
from ultracloud.wire.core.events import CallArrived, Event, PageRequested
from ultracloud.wire.core.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    PADDED,
    PREFACE,
    PRIORITISED,
    Frame,
    Kind,
    Setting,
    parse,
    render_frame,
    render_goaway,
    render_reset,
    render_settings,
    render_window_update,
)
from ultracloud.wire.core.heads import Head
from ultracloud.wire.core.limits import Limits
from ultracloud.wire.core.status import trailers
from ultracloud.wire.errors import ErrorCode

CALL = {":method": "POST", ":scheme": "http", ":path": "/p.S/M", "te": "trailers", "content-type": "application/grpc"}
TEXT_SHOWN_MAX = 40


def hold(text: str) -> str:
    """The conversation with the answers of now."""
    said: list[str] = []
    stage: Stage | None = None
    for line in text.splitlines():
        if line.startswith(("<", "!")):
            continue
        said.append(line)
        if line.startswith(">"):
            stage = stage or Stage(Limits())
            words = words_of(line[1:])
            if words[0] == "limits":
                stage = Stage(Limits(**{key: int(value) for key, value in pairs(words[1:]).items()}))
                continue
            said += stage.play(words)
    return "\n".join(said) + "\n"


def words_of(line: str) -> list[str]:
    """Words as a shell cuts them, but with backslashes left alone."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="")
    lexer.whitespace_split = True
    lexer.escape = ""
    lexer.commenters = ""
    return list(lexer)


def pairs(words: list[str]) -> dict[str, str]:
    """``key=value`` words."""
    return dict(word.split("=", 1) for word in words if "=" in word)


class Stage:
    """A machine, the client's header tables, and the clock."""

    def __init__(self, limits: Limits) -> None:
        self.now_s = 100.0
        self.machine = Connection(limits, self.now_s)
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.greeted = False

    def play(self, words: list[str]) -> list[str]:
        """What the machine answers when `words` happen."""
        own = self.commands().get(words[0])
        events = (own(words[1:]) or []) if own else self.machine.receive(self.bytes_of(words), self.now_s)
        frames, rest = parse(self.machine.sender.take())
        assert rest == b""
        return [f"< {self.shown(frame)}" for frame in frames] + [f"! {event_shown(event)}" for event in events]

    def commands(self) -> dict[str, Callable[[list[str]], list[Event] | None]]:
        """What the shell does, by word."""
        machine, sender = self.machine, self.machine.sender
        return {
            "reply": lambda w: sender.reply(int(w[0]), text_of(w[1])),
            "send": lambda w: sender.send(int(w[0]), text_of(w[1])),
            "finish": lambda w: sender.finish(int(w[0]), trailers(int(w[1]), w[2] if len(w) > 2 else "")),
            "begin-page": lambda w: sender.begin_page(int(w[0]), int(w[1]), {"content-type": "application/json"}),
            "send-page": lambda w: sender.send_page(int(w[0]), text_of(w[1]), ends="end" in w),
            "page": lambda w: sender.page(int(w[0]), int(w[1]), {"content-type": "text/plain"}, w[2].encode()),
            "consume": lambda w: machine.consume(int(w[0]), int(w[1])),
            "give-up": lambda w: machine.reset(int(w[0]), ErrorCode.CANCEL),
            "drain": lambda _w: machine.start_drain(),
            "finish-drain": lambda _w: machine.finish_drain(),
            "is-backed-up": lambda w: hold_truth(sender.is_backed_up(int(w[0])), w[1]),
            "is-drained": lambda w: hold_truth(machine.is_drained, w[0]),
            "wait": self.wait,
        }

    def wait(self, words: list[str]) -> list[Event]:
        """Let seconds pass."""
        self.now_s += float(words[0])
        return self.machine.tick(self.now_s)

    def bytes_of(self, words: list[str]) -> bytes:  # noqa: C901, PLR0911, PLR0912 - an arm a word
        """What the client sends; ``|`` joins several frames into one read."""
        if "|" in words:
            at = words.index("|")
            return self.bytes_of(words[:at]) + self.bytes_of(words[at + 1 :])
        flags = END_STREAM if "end" in words else 0
        match words:
            case ["preface", *_]:
                return PREFACE
            case ["settings", *rest]:
                return render_settings({Setting[key]: int(value) for key, value in pairs(rest).items()})
            case ["settings-ack"]:
                return render_frame(Kind.SETTINGS, ACK, 0)
            case ["headers", stream_id, *rest]:
                return self.headers(int(stream_id), flags, pairs(rest))
            case ["message", stream_id, text, *_]:
                return render_frame(Kind.DATA, flags, int(stream_id), framed_text(text))
            case ["data", stream_id, octets, *_]:
                return render_frame(Kind.DATA, flags, int(stream_id), text_of(octets))
            case ["ping", octets]:
                return render_frame(Kind.PING, 0, 0, octets.encode())
            case ["ping-ack", octets]:
                return render_frame(Kind.PING, ACK, 0, octets.encode())
            case ["reset", stream_id, code]:
                return render_reset(int(stream_id), ErrorCode[code])
            case ["window", stream_id, increment]:
                return render_window_update(int(stream_id), int(increment))
            case ["goaway"]:
                return render_goaway(0, ErrorCode.NO_ERROR)
            case ["frame", kind, frame_flags, stream_id, octets]:
                return render_frame(int(kind), int(frame_flags), int(stream_id), bytes.fromhex(octets))
        raise AssertionError(f"no such words: {words}")

    def headers(self, stream_id: int, flags: int, given: dict[str, str]) -> bytes:
        """HEADERS, and CONTINUATION for what is over ``split`` bytes; ``pad`` and ``priority`` as they say."""
        pad, split, priority = (int(given.pop(name, "0")) for name in ("pad", "split", "priority"))
        block = self.encoder.encode({**CALL, **{":path" if name == "path" else name: v for name, v in given.items()}})
        first, rest = (block[:split], block[split:]) if split else (block, b"")
        payload = first
        if priority:
            flags |= PRIORITISED
            payload = b"\0\0\0\0\x10" + payload
        if pad:
            flags |= PADDED
            payload = bytes([pad]) + payload + bytes(pad)
        made = render_frame(Kind.HEADERS, flags | (0 if rest else END_HEADERS), stream_id, payload)
        while rest:
            part, rest = rest[:split], rest[split:]
            made += render_frame(Kind.CONTINUATION, 0 if rest else END_HEADERS, stream_id, part)
        return made

    def shown(self, frame: Frame) -> str:  # noqa: PLR0911 - an arm a frame type
        """A frame the machine sent, for a person."""
        name = Kind(frame.kind).name
        end = " end" if frame.flags & END_STREAM and frame.kind in (Kind.DATA, Kind.HEADERS) else ""
        word = int.from_bytes(frame.payload[:4], "big")
        match frame.kind:
            case Kind.HEADERS:
                block = self.decoder.decode(frame.payload)
                return f"{name} {frame.stream_id}{end} " + " ".join(f"{key}={value}" for key, value in block)
            case Kind.DATA:
                return f"{name} {frame.stream_id}{end} {octets_shown(frame.payload)}"
            case Kind.SETTINGS if frame.flags & ACK:
                return f"{name} ack"
            case Kind.SETTINGS:
                each = [frame.payload[at : at + 6] for at in range(0, len(frame.payload), 6)]
                values = {Setting(int.from_bytes(e[:2], "big")).name: int.from_bytes(e[2:], "big") for e in each}
                return f"{name} " + " ".join(f"{key}={value}" for key, value in values.items())
            case Kind.WINDOW_UPDATE:
                return f"{name} {frame.stream_id} {word}"
            case Kind.RST_STREAM:
                return f"{name} {frame.stream_id} {ErrorCode(word).name}"
            case Kind.GOAWAY:
                code = ErrorCode(int.from_bytes(frame.payload[4:8], "big"))
                return f"{name} last={word} {code.name} {frame.payload[8:].decode()}"
            case Kind.PING:
                return f"{name} {'ack ' if frame.flags & ACK else ''}{frame.payload.decode()}"
        raise AssertionError(frame)


def event_shown(event: Event) -> str:
    """An event, for a person."""
    parts = []
    names = event._fields if isinstance(event, CallArrived | PageRequested) else [field.name for field in fields(event)]
    for name in names:
        value = getattr(event, name)
        if isinstance(value, Head):
            timeout = "" if value.timeout_s is None else f" timeout={value.timeout_s:g}"
            method = f"{value.method} " if isinstance(event, PageRequested) else ""
            parts.append(f"{method}{value.path}{timeout}")
        elif isinstance(value, bytes):
            # Most pages have no body.
            parts += [octets_shown(value)] if value or not isinstance(event, PageRequested) else []
        else:
            parts.append(value.name if isinstance(value, ErrorCode) else str(value))
    return " ".join([type(event).__name__, *parts])


def octets_shown(octets: bytes) -> str:
    """Short bytes as text, long ones as their number."""
    return ascii(octets)[1:] if len(octets) <= TEXT_SHOWN_MAX else f"({len(octets)} bytes)"


def text_of(word: str) -> bytes:
    """``x*1000`` is a thousand x; ``\\x00`` escapes work."""
    body, star, count = word.partition("*")
    octets = body.encode().decode("unicode_escape").encode("latin-1")
    return octets * int(count) if star else octets


def framed_text(word: str) -> bytes:
    """A gRPC message of `text_of`."""
    octets = text_of(word)
    return b"\0" + len(octets).to_bytes(4, "big") + octets


def hold_truth(is_so: object, expected: str) -> None:
    """Hold a truth of the machine against what the conversation says."""
    assert str(is_so).lower() == expected, is_so
