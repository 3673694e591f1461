"""HostConsole without a hypervisor: the log is a file that the test writes, QEMU's socket is the test's."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from simulated_host import PLACE, vm_id

from plasmavmc.agent.core.desired import VmId
from plasmavmc.agent.shell import console as consoles
from plasmavmc.agent.shell.console import Console
from ultracloud.api.plasmavmc.v1.plasmavmc_pb2 import ConsoleInput, ConsoleOutput
from ultracloud.base.faults import InvalidArgumentError, NotFoundError, PermissionDeniedError, ResourceExhaustedError
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit import pki
from ultracloud.servicekit.testing import OPERATOR, FakeCall

SERVER = FakeCall(principal=spiffe_principal(pki.service_identity("plasmavmc")))
VM = vm_id(1)


class Desk:
    """A console server with one VM, and where its files are."""

    def __init__(self, folder: Path) -> None:
        self.place = replace(PLACE, state_dir=PurePosixPath(folder), runtime_dir=PurePosixPath(folder))
        self.console = Console(self.place, lambda vm: vm == VM)
        self.log = Path(self.place.console_log(VM))
        self.log.parent.mkdir(parents=True)
        self.socket = Path(self.place.console_socket(VM))

    def attach(self, *inputs: ConsoleInput, call: FakeCall = SERVER) -> AsyncGenerator[ConsoleOutput, None]:
        async def requests() -> AsyncIterator[ConsoleInput]:
            for one in inputs:
                yield one
            await asyncio.Event().wait()

        return self.console.attach(requests(), call)


def at_desk(folder: Path, story: Callable[[Desk], Awaitable[None]]) -> None:
    async def tell() -> None:
        desk = Desk(folder)
        try:
            async with asyncio.timeout(20):
                await story(desk)
        finally:
            desk.console.close()

    asyncio.run(tell())


async def read_until(output: AsyncGenerator[ConsoleOutput, None], wanted: bytes) -> bytes:
    seen = b""
    async for chunk in output:
        seen += chunk.text
        if wanted in seen:
            return seen
    return seen


def test_viewer_gets_the_backlog_and_then_what_is_printed(short_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.log.write_bytes(b"booting ")
        output = desk.attach(ConsoleInput(ref=VM, backlog_bytes=-1))
        assert await read_until(output, b"booting ") == b"booting "
        with desk.log.open("ab") as log:
            log.write(b"done")
        assert await read_until(output, b"done") == b"done"
        await output.aclose()

    at_desk(short_path, story)


def test_viewer_who_does_not_follow_gets_the_backlog_and_the_end(short_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.log.write_bytes(b"0123456789")
        request = ConsoleInput(ref=VM, backlog_bytes=4, no_follow=True)
        assert [chunk.text async for chunk in desk.attach(request)] == [b"6789"]

    at_desk(short_path, story)


def test_viewer_may_come_before_the_first_start_and_stays_through_the_next(short_path: Path) -> None:
    async def story(desk: Desk) -> None:
        output = desk.attach(ConsoleInput(ref=VM, backlog_bytes=-1))
        reading = asyncio.ensure_future(read_until(output, b"first"))
        desk.log.write_bytes(b"first")
        assert await reading == b"first"
        desk.log.rename(desk.log.with_name("previous"))
        desk.log.write_bytes(b"second")
        assert await read_until(output, b"second") == b"second"
        await output.aclose()

    at_desk(short_path, story)


def test_stream_ends_when_the_vm_is_removed(short_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.log.write_bytes(b"x")
        output = desk.attach(ConsoleInput(ref=VM, backlog_bytes=-1))
        assert await read_until(output, b"x") == b"x"
        shutil.rmtree(desk.log.parent)
        assert await read_until(output, b"never") == b""

    at_desk(short_path, story)


class Qemu:
    """QEMU's end of the serial port: floods with output, keeps the keys."""

    def __init__(self) -> None:
        self.keys: asyncio.Queue[bytes] = asyncio.Queue()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"output" * 100_000)
        await writer.drain()
        while keys := await reader.read(100):
            self.keys.put_nowait(keys)
        writer.close()

    async def typed(self, count: int) -> bytes:
        """The next `count` keys."""
        seen = b""
        while len(seen) < count:
            seen += await self.keys.get()
        return seen


def test_keys_arrive_in_order_and_qemus_output_is_swallowed(short_path: Path) -> None:
    async def story(desk: Desk) -> None:
        qemu = Qemu()
        desk.log.write_bytes(b"$ ")
        async with await asyncio.start_unix_server(qemu, str(desk.socket)):
            output = desk.attach(ConsoleInput(ref=VM, backlog_bytes=-1, keys=b"a"), ConsoleInput(keys=b"b"))
            await anext(output)
            assert await qemu.typed(2) == b"ab"
            await output.aclose()

    at_desk(short_path, story)


def test_read_only_viewer_types_nothing(short_path: Path) -> None:
    async def story(desk: Desk) -> None:
        qemu = Qemu()
        desk.log.write_bytes(b"$ ")
        async with await asyncio.start_unix_server(qemu, str(desk.socket)):
            mute = ConsoleInput(ref=VM, backlog_bytes=-1, read_only=True, keys=b"rm -rf /\n")
            watching, typing = desk.attach(mute, ConsoleInput(keys=b"x")), desk.attach(ConsoleInput(ref=VM, keys=b"k"))
            await anext(watching)
            reading = asyncio.ensure_future(anext(typing))
            assert await qemu.typed(1) == b"k"
            with desk.log.open("ab") as log:
                log.write(b"k")
            await reading
            for output in (watching, typing):
                await output.aclose()
            assert qemu.keys.empty()

    at_desk(short_path, story)


def test_keys_to_a_vm_that_is_off_are_lost_and_later_ones_arrive(short_path: Path) -> None:
    async def story(desk: Desk) -> None:
        qemu, on = Qemu(), asyncio.Event()

        async def requests() -> AsyncIterator[ConsoleInput]:
            yield ConsoleInput(ref=VM, backlog_bytes=-1, keys=b"lost")
            await on.wait()
            yield ConsoleInput(keys=b"kept")
            await asyncio.Event().wait()

        desk.log.write_bytes(b"off")
        output = desk.console.attach(requests(), SERVER)
        assert (await anext(output)).text == b"off"
        async with await asyncio.start_unix_server(qemu, str(desk.socket)):
            on.set()
            assert (await qemu.typed(4))[-4:] == b"kept"
            await output.aclose()

    at_desk(short_path, story)


@pytest.mark.parametrize(
    ("ref", "call", "fault"),
    [
        (vm_id(2), SERVER, NotFoundError),
        (VmId("../../etc"), SERVER, NotFoundError),
        (VM, FakeCall(principal=OPERATOR), PermissionDeniedError),
    ],
    ids=["another host's", "no id", "not the server"],
)
def test_what_may_not_be_watched_is_refused(
    ref: VmId, call: FakeCall, fault: type[Exception], short_path: Path
) -> None:
    async def story(desk: Desk) -> None:
        with pytest.raises(fault):
            await anext(desk.attach(ConsoleInput(ref=ref), call=call))

    at_desk(short_path, story)


def test_call_without_a_first_message_is_refused(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "FIRST_MESSAGE_S", 0.01)

    async def story(desk: Desk) -> None:
        with pytest.raises(InvalidArgumentError, match="first message must name the VM"):
            await anext(desk.attach())

    at_desk(short_path, story)


def test_one_viewer_too_many_is_refused_until_another_goes(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "VIEWERS_MAX", 1)

    async def story(desk: Desk) -> None:
        desk.log.write_bytes(b"x")
        first = desk.attach(ConsoleInput(ref=VM, backlog_bytes=-1))
        await anext(first)
        with pytest.raises(ResourceExhaustedError, match="1 consoles are watched"):
            await anext(desk.attach(ConsoleInput(ref=VM, backlog_bytes=-1)))
        await first.aclose()
        second = desk.attach(ConsoleInput(ref=VM, backlog_bytes=-1))
        await anext(second)
        await second.aclose()

    at_desk(short_path, story)
