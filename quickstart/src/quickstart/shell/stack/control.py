"""The supervisor's socket: one JSON object a line, answered by one, or by many for `watch`.

An abstract unix socket leaves no file behind and has no length limit worth the name; whoever is neither root nor us is
turned away by the credentials the kernel vouches for.

Requests: ``{"do": "watch"}``, ``{"do": "start" | "kill", "names": [...]}``, ``{"do": "stop", "names": [...],
"grace_s": n}``, ``{"do": "memory"}``, ``{"do": "detach"}``, ``{"do": "end", "grace_s": n}``.

Source: unix(7), SO_PEERCRED.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quickstart.core import supervision
from quickstart.core.supervision import ProcessName
from quickstart.shell.stack.supervisor import Supervisor

REQUEST_BYTES_MAX = 64 * 1024
LAST_WORDS_S = 0.2
"""What is still to be sent is sent within a millisecond; who does not listen is not waited for."""
GUEST_PROCESS = "qemu-system"
_PR_SET_PDEATHSIG = 1
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


class ControlServer:
    """Answers on an abstract socket until closed."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._conversations: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, name: str) -> None:
        """Answer on the abstract socket `name`."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listening.bind(f"\0{name}")
        self._server = await asyncio.start_unix_server(self._connected, sock=listening, limit=REQUEST_BYTES_MAX)

    async def close(self) -> None:
        """End every conversation, once those that watch have been told how everything ended."""
        if self._server is not None:
            self._server.close()
        if self._conversations:
            await asyncio.wait(self._conversations, timeout=LAST_WORDS_S)
        for task in tuple(self._conversations):
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer), name="control conversation")
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after another."""
        try:
            while _is_allowed(writer) and (line := await reader.readline()):
                if not await self._answer_line(line, reader, writer):
                    return
        except (ConnectionError, ValueError):
            # The other side went away, or sent a line without end; there is nobody to tell.
            return
        finally:
            writer.close()

    async def _answer_line(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request and tell whether another may follow."""
        try:
            request = json.loads(line)
            if request["do"] == "watch":
                await _watch(self._supervisor, reader, writer)
                return False
            answer = _answer(self._supervisor, request)
        except (ValueError, KeyError, TypeError) as error:
            answer = {"error": f"not a request: {error!r}"}
        await _send(writer, answer)
        return True


def _is_allowed(writer: asyncio.StreamWriter) -> bool:
    """Whether root or our own user has connected."""
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", peer)
    return user in (0, os.geteuid())


def _answer(supervisor: Supervisor, request: Mapping[str, Any]) -> dict[str, object]:
    """Do what a request asks and say what is so now."""
    names = [ProcessName(name) for name in request.get("names", [])]
    unknown = [name for name in names if name not in supervisor.programs]
    if unknown:
        return {"error": f"no process '{unknown[0]}'; there are: {', '.join(supervisor.programs)}"}
    match request["do"]:
        case "memory":
            return {"memory_kb": memory_kb(supervisor)}
        case "detach":
            detach()
        case "end":
            asyncio.get_running_loop().call_soon(supervisor.end, _grace_ms(request))
        case _:
            for name in names:
                supervisor.take(_event(request, name))
    return {"processes": status(supervisor)}


def _event(request: Mapping[str, Any], name: ProcessName) -> supervision.Event:
    """What a request asks of one process."""
    match request["do"]:
        case "start":
            return supervision.StartAsked(name)
        case "stop":
            return supervision.StopAsked(name, _grace_ms(request))
        case "kill":
            return supervision.KillAsked(name)
        case other:
            raise ValueError(f"cannot {other!r}; accepted: watch start stop kill memory detach end")


def _grace_ms(request: Mapping[str, Any]) -> int:
    return int(float(request["grace_s"]) * 1000)


async def _watch(supervisor: Supervisor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the status now and after every change, until the other side goes."""
    changed = asyncio.Event()
    changed.set()
    supervisor.watchers.add(changed.set)
    gone = asyncio.create_task(reader.read(1), name="watch for the end")
    try:
        while not gone.done():
            if changed.is_set():
                changed.clear()
                await _send(writer, {"processes": status(supervisor)})
            if supervisor.ended.is_set():
                return
            change = asyncio.create_task(changed.wait(), name="watch for a change")
            await asyncio.wait([gone, change], return_when=asyncio.FIRST_COMPLETED)
            change.cancel()
    finally:
        gone.cancel()
        supervisor.watchers.discard(changed.set)


async def _send(writer: asyncio.StreamWriter, answer: Mapping[str, object]) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()


def status(supervisor: Supervisor) -> list[dict[str, object]]:
    """All processes as JSON has them."""
    return [
        {
            "name": process.name,
            "phase": process.phase.value,
            "pid": process.pid,
            "starts": process.starts,
            "status": process.status,
        }
        for process in supervisor.core.processes.values()
    ]


def memory_kb(supervisor: Supervisor) -> dict[str, int]:
    """Proportional set size of each process that runs, of this supervisor, and of all guests together."""
    pids = {process.name: process.pid for process in supervisor.core.processes.values() if process.pid}
    measured = {str(name): _pss_kb(pid) for name, pid in pids.items()}
    measured["supervisor"] = _pss_kb(os.getpid())
    measured["guests"] = sum(
        _pss_kb(int(folder.name))
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and _command(folder).startswith(GUEST_PROCESS)
    )
    return measured


def _pss_kb(pid: int) -> int:
    """Memory of a process, shared pages divided among those who share them; 0 if it has just ended."""
    try:
        found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) if found else 0


def _command(folder: Path) -> str:
    try:
        return (folder / "comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def detach() -> None:
    """Live on when the process that started us ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
