"""Consoles and whatever else streams in both directions: a WebSocket before, a gRPC stream behind.

Whoever does not read is waited for, on both sides: frames wait in wire's bounded inbox until the service's window has
room, and answers wait in the service until the client has read what came before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from google.protobuf.message import Message

from apigateway.core.conversing import Talk, ending
from apigateway.shell.streams import Streams
from ultracloud.base.faults import Fault
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.streams import closing
from ultracloud.wire import WebSocket


@dataclass(frozen=True, slots=True)
class Conversation:
    """One that may begin.

    Attributes:
        open: Begins the stream behind, with what is sent into it.
        first: What the address said, the first message.
        read: Makes messages of frames.
        write: Makes frames of answers.
        who: The principal that it counts for.
        trace: Names the request.
        streams: Those that are open.
    """

    open: Callable[[AsyncIterator[Message]], AsyncIterator[Message]]
    first: Message
    read: Callable[[bytes], Message]
    write: Callable[[Message], bytes]
    talk: Talk
    who: str
    trace: str
    streams: Streams

    async def serve(self, socket: WebSocket) -> None:
        """Pass on what both sides say, until one ends; a refusal of the service is told in a close code."""
        deadlines.TRACE.set(self.trace)
        try:
            with self.streams.counted(self.who):
                async with closing(self.open(self._said(socket))) as answers:
                    async for answer in answers:
                        await socket.send(self.write(answer), is_text=self.talk is Talk.JSON)
        except Fault as fault:
            socket.close(*ending(fault))

    async def _said(self, socket: WebSocket) -> AsyncIterator[Message]:
        """What the client says."""
        yield self.first
        while True:
            yield self.read((await socket.receive()).octets)
