"""An agent in its own process on a libvirt host, and the server's side of it in this one."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from guest import Guest
from libvirt_host import LibvirtHost

from plasmavmc.testing import FakeHosts
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import HOSTS, HostConsoleClient
from ultracloud.servicekit import channels
from ultracloud.servicekit.resources import HostFeed
from ultracloud.testkit.machines import children_of
from ultracloud.wire import Server, service

ResultT = TypeVar("ResultT")


class Loop:
    """An event loop on a thread, so that tests read from top to bottom."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test loop")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, ResultT], within_s: float = 30.0) -> ResultT:
        async def bounded() -> ResultT:
            async with asyncio.timeout(within_s):
                return await work

        return asyncio.run_coroutine_threadsafe(bounded(), self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class ControlPlane:
    """The server's side, which can be taken away and brought back."""

    def __init__(self, loop: Loop, socket: Path) -> None:
        self.loop = loop
        self.socket = socket
        self.hosts = loop.run(self._made())
        self._server: Server | None = None
        self._generation = 0
        self.start()

    async def _made(self) -> FakeHosts:
        return FakeHosts()

    def start(self) -> None:
        async def listen() -> Server:
            server = Server(services=[service(HOSTS, self.hosts)])
            await server.listen_unix(str(self.socket))
            return server

        self._server = self.loop.run(listen())

    def stop(self) -> None:
        if self._server is not None:
            self.loop.run(self._server.drain(0))
            self.socket.unlink(missing_ok=True)
            self._server = None

    def forget(self) -> None:
        """As after a restore from an old backup: generations begin anew."""

        async def renew() -> None:
            self.hosts.feed = HostFeed()

        self._generation = 0
        self.loop.run(renew())
        self.want()

    def want(self, *vms: pb.HostVm) -> int:
        """Publish all of what the host must run; the generation."""
        self._generation += 1
        intent = pb.HostIntent(host="node1", generation=self._generation, vms=vms)

        async def publish() -> None:
            self.hosts.want(intent)

        self.loop.run(publish())
        return self._generation

    def wait(self, vm: str, reason: str, within_s: float = 30.0) -> pb.VmReport:
        try:
            return self.loop.run(self.hosts.wait_reason(vm, reason), within_s)
        except TimeoutError:
            raise AssertionError(f"{vm} is not {reason}; it is {self.hosts.latest(vm)}") from None

    def wait_gone(self, vm: str, generation: int) -> None:
        self.loop.run(self.hosts.wait_gone(vm, generation))


class AgentProcess:
    """`python -m plasmavmc.agent serve` in the host's namespaces."""

    def __init__(self, host: LibvirtHost, server: Path, folder: Path, tls: str = "") -> None:
        """Make it; `server` is the socket of plasmavmc, `tls` the configuration's table of that name."""
        self.host = host
        self.folder = folder
        self.console_socket = folder / "a.sock"
        self.metadata_socket = folder / "run" / "metadata.sock"
        self.config = folder / "agent.toml"
        self.config.write_text(
            f'host = "node1"\nstate_dir = "{folder}/state"\nruntime_dir = "{folder}/run"\naccelerator = "tcg"\n'
            f'[listen]\nunix = "{self.console_socket}"\n'
            f'[peers]\nplasmavmc = "unix:{server}"\n'
            f'[libvirt]\nuri = "{host.uri}"\n[log]\nfile = "{folder}/agent.log"\n{tls}'
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = self.host.inside(sys.executable, "-m", "plasmavmc.agent", "serve", "--config", str(self.config))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(b"ready plasmavmc-agent"), self.log()

    def kill(self) -> None:
        """SIGKILL, mid-work or not."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self._signal(signal.SIGTERM)

    def log(self) -> str:
        path = self.folder / "agent.log"
        return path.read_text() if path.exists() else "no log"

    def vm_folder(self, vm: str) -> Path:
        return self.folder / "state" / "vms" / vm

    async def watching(self, vm: str) -> tuple[asyncio.Task[None], list[bytes]]:
        """A viewer of what is printed from now on."""
        seen: list[bytes] = []
        begun = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._watch(vm, seen, begun))
        await begun.wait()
        return task, seen

    async def unwatched(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _watch(self, vm: str, seen: list[bytes], begun: asyncio.Event) -> None:
        channel = channels.connect(f"unix:{self.console_socket}")

        async def requests() -> AsyncIterator[pb.ConsoleInput]:
            yield pb.ConsoleInput(ref=vm, read_only=True, backlog_bytes=1)
            await asyncio.Event().wait()

        try:
            async for output in HostConsoleClient(channel).attach(requests()):
                seen.append(output.text)
                begun.set()
        finally:
            await channel.close()

    def _signal(self, number: int) -> None:
        if self.process is None:
            return
        for child in children_of(self.process.pid):
            os.kill(child, number)
        self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None


def direct_vm(guest: Guest, number: int, **changes: object) -> pb.HostVm:
    """A VM that boots the test guest."""
    vm = pb.HostVm(
        id=f"vm-01jd{number:022d}",
        name=f"vm{number}",
        project="proj-01jd0000000000000000000001",
        generation=1,
        vcpus=1,
        memory_mib=192,
        image_format=pb.ImageSpec.DIRECT,
        kernel=file_of(guest.kernel),
        initrd=file_of(guest.initrd),
        cmdline="console=ttyS0 quiet",
        power=pb.RUNNING,
        reboot_count=1,
    )
    vm.MergeFrom(pb.HostVm(**changes))
    return vm


def file_of(path: Path) -> pb.HostFile:
    return pb.HostFile(url=path.as_uri(), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def console_text(loop: Loop, agent: AgentProcess, vm: str, until: str, keys: bytes = b"", within_s: float = 30) -> str:
    """What the console shows from boot on, until `until` is in it; `keys` are typed first."""

    async def read() -> str:
        channel = channels.connect(f"unix:{agent.console_socket}")
        typed = asyncio.Event()

        async def requests() -> AsyncIterator[pb.ConsoleInput]:
            yield pb.ConsoleInput(ref=vm, backlog_bytes=-1, keys=keys)
            await typed.wait()

        shown = ""
        try:
            async for output in HostConsoleClient(channel).attach(requests()):
                shown += output.text.decode(errors="replace")
                if until in shown:
                    return shown
        finally:
            typed.set()
            await channel.close()
        return shown

    return loop.run(read(), within_s)
