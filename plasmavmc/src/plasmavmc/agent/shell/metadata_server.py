"""Serves guests' metadata on a unix socket to prismnet's proxy, which says through which port the question came.

It answers from the host's own copy of the intent, so a guest that boots while the control plane is away finds its
metadata all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from plasmavmc.agent.core import http, metadata
from plasmavmc.agent.core.desired import DesiredVm, Intent, VmId
from plasmavmc.agent.core.workload_tokens import SEND_HEADER, has_header, is_token_path
from plasmavmc.agent.shell.workload_tokens import WorkloadTokens

PORT_HEADER = "x-ultracloud-port"
CONNECTIONS_MAX = 256
"""At once, of the whole host; the proxy makes one a request."""
IDLE_S = 30.0
"""A connection on which nothing is asked for this long is closed."""


Answer = tuple[int, bytes, str]
"""Status, body and content type."""
NOT_FOUND = 404, b"not found\n", "text/plain"


class MetadataServer:
    """Answers for all VMs of this host."""

    def __init__(
        self,
        intent: Callable[[], Intent | None],
        zone: str,
        secrets: Callable[[VmId], Mapping[str, bytes]],
        tokens: WorkloadTokens,
    ) -> None:
        """Make it.

        Args:
            intent: Gives the newest intent, None while none was ever received.
            zone: The availability zone guests are told.
            secrets: Gives what a VM's secrets held when it was last started.
            tokens: Gives tokens of the accounts that VMs run as.
        """
        self._intent = intent
        self._secrets = secrets
        self._zone = zone
        self._tokens = tokens
        self._indexed: Intent | None = None
        self._by_port: dict[str, DesiredVm] = {}
        self.connections: set[_Connection] = set()

    async def listen(self, path: Path) -> asyncio.Server:
        """Listen on `path`, for root only; what a killed run left there is removed.

        Raises:
            OSError: The folder is missing or not ours.
        """
        await asyncio.to_thread(path.unlink, missing_ok=True)
        server = await asyncio.get_running_loop().create_unix_server(lambda: _Connection(self), str(path))
        await asyncio.to_thread(path.chmod, 0o600)
        return server

    def answer(self, request: http.Request) -> Answer | Awaitable[Answer]:
        """What a request gets, at once or after asking the control plane."""
        if request.method not in ("GET", "HEAD"):
            return 405, b"only GET and HEAD\n", "text/plain"
        intent = self._intent()
        if intent is None:
            return 503, b"this host does not know its VMs yet\n", "text/plain"
        if intent is not self._indexed:
            self._indexed = intent
            self._by_port = {nic.port: vm for vm in intent.vms for nic in vm.nics if nic.port}
        vm = self._by_port.get(request.headers.get(PORT_HEADER, ""))
        if vm is None:
            return NOT_FOUND
        if is_token_path(request.target):
            return self._tokens.answer(vm.id, request.target, request.headers)
        return self._document(vm, request)

    def _document(self, vm: DesiredVm, request: http.Request) -> Answer:
        """What stands at a path."""
        if metadata.is_variable_path(request.target) and not has_header(request.headers):
            return 403, f"{SEND_HEADER}\n".encode(), "text/plain"
        values = self._secrets(vm.id) if vm.secrets else metadata.NO_SECRETS
        document = metadata.answer(vm, request.target, self._zone, values)
        return NOT_FOUND if document is None else (200, document.body, document.content_type)


class _Connection(asyncio.Protocol):
    """One connection of the proxy's."""

    def __init__(self, server: MetadataServer) -> None:
        self._server = server
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        self._server.connections.add(self)
        if len(self._server.connections) > CONNECTIONS_MAX:
            transport.close()
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()
        if self._asking is not None:
            self._asking.cancel()
        if exc is not None:
            logging.getLogger(__name__).debug("metadata connection: %s", exc)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        self._rest()
        while not self._transport.is_closing() and self._asking is None:
            request = http.parse(self._buffer)
            if request is None:
                return
            if isinstance(request, http.BadRequest):
                said = f"{request.says}\n".encode()
                self._transport.write(http.render(request.status, said, "text/plain", closes=True))
                self._transport.close()
                return
            self._buffer = self._buffer[request.length :]
            answer = self._server.answer(request)
            if not isinstance(answer, tuple):
                self._asking = asyncio.ensure_future(self._say_later(request, answer))
                return
            self._say(request, answer, closes=request.closes)

    def _say(self, request: http.Request, answer: Answer, *, closes: bool) -> None:
        assert self._transport is not None
        status, body, content_type = answer
        is_head = request.method == "HEAD"
        self._transport.write(http.render(status, body, content_type, closes=closes, without_body=is_head))
        if closes:
            self._transport.close()

    async def _say_later(self, request: http.Request, answer: Awaitable[Answer]) -> None:
        """Answer once there is one; the connection ends with it, whatever else was asked on it."""
        self._say(request, await answer, closes=True)

    def _rest(self) -> None:
        """Close when nothing comes for a while."""
        assert self._transport is not None
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._transport.close)
