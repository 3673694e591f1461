"""HTTP/2 and gRPC, server and client: a sans-IO core with an asyncio shell.

- `core`: bytes and time in, events and bytes out; every limit.
- `shell`: sockets, TLS, tasks, methods.
- `errors`: what HTTP/2 calls what goes wrong.

What a service uses stands here.
"""

from ultracloud.wire.core.limits import BUSY_POLL_S, Limits
from ultracloud.wire.core.timeouts import parse_timeout
from ultracloud.wire.core.websocket import Message, wants_websocket
from ultracloud.wire.errors import CallFailedError, ConnectionFault
from ultracloud.wire.shell.client import ClientProtocol
from ultracloud.wire.shell.client_calls import Exchange
from ultracloud.wire.shell.health import Health
from ultracloud.wire.shell.inner import Caller, Endpoints, InnerCalls
from ultracloud.wire.shell.options import (
    AroundInterceptor,
    HttpAnswer,
    HttpEndpoint,
    HttpLater,
    HttpReply,
    HttpRequest,
    HttpRoute,
    HttpStream,
    HttpWork,
    Interceptor,
    Refusal,
    ServerOptions,
    TlsFiles,
    WebSocket,
    WebSocketAnswer,
    plain_refusal,
)
from ultracloud.wire.shell.routes import Service, Short, ShortCall, service
from ultracloud.wire.shell.server import Server

__all__ = [
    "BUSY_POLL_S",
    "AroundInterceptor",
    "CallFailedError",
    "Caller",
    "ClientProtocol",
    "ConnectionFault",
    "Endpoints",
    "Exchange",
    "Health",
    "HttpAnswer",
    "HttpEndpoint",
    "HttpLater",
    "HttpReply",
    "HttpRequest",
    "HttpRoute",
    "HttpStream",
    "HttpWork",
    "InnerCalls",
    "Interceptor",
    "Limits",
    "Message",
    "Refusal",
    "Server",
    "ServerOptions",
    "Service",
    "Short",
    "ShortCall",
    "TlsFiles",
    "WebSocket",
    "WebSocketAnswer",
    "parse_timeout",
    "plain_refusal",
    "service",
    "wants_websocket",
]
