"""libvirt: one connection, kept; every call on a thread; changes come as events.

A call that finds the daemon gone raises `HypervisorAwayError`, whatever it was doing: nothing is known of the VMs until
the connection is back, and they run on meanwhile. All calls are harmless twice.

Source: libvirt API (virDomain*, virConnect*, virEvent*), https://libvirt.org/html/; the error codes of virterror.h.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import libvirt

from plasmavmc.agent.core import definition
from plasmavmc.agent.core.actions import ActionFailedError
from plasmavmc.agent.core.desired import VmId
from plasmavmc.agent.core.observed import Domain, DomainState, Marks, OffReason
from plasmavmc.core.reasons import Reason
from plasmavmc.core.sentences import without_paths
from ultracloud.base.ids import is_id

CALLS_AT_ONCE_MAX = 4
"""libvirtd answers on 5 workers by default; one stays free for a person with virsh."""
KEEPALIVE_S, KEEPALIVE_LOST_MAX = 5, 3
"""A daemon that hangs is taken for gone after 20 s; a start under heavy load takes a few."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 2.0
"""Between attempts to connect; libvirtd restarts in about a second."""

_AWAY = frozenset(
    {
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_INVALID_CONN,
        libvirt.VIR_ERR_RPC,
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_INTERNAL_ERROR,
    }
)
"""Error codes that a lost connection comes as; some also mean other things, so the connection is asked as well."""
_STATES: Mapping[int, DomainState] = {
    libvirt.VIR_DOMAIN_RUNNING: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: DomainState.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: DomainState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: DomainState.STOPPING,
    libvirt.VIR_DOMAIN_SHUTOFF: DomainState.OFF,
    libvirt.VIR_DOMAIN_CRASHED: DomainState.OFF,
}
_OFF_REASONS: Mapping[int, OffReason] = {
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: OffReason.GUEST,
    libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED: OffReason.DESTROYED,
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: OffReason.CRASHED,
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: OffReason.CRASHED,
}
_UNDEFINE_ALL = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)

ArgsP = ParamSpec("ArgsP")
ResultT = TypeVar("ResultT")


class HypervisorAwayError(Exception):
    """There is no connection to libvirtd now."""


class Hypervisor:
    """The host's libvirt. `run` keeps the connection; the other coroutines use it."""

    def __init__(self, uri: str, changed: Callable[[], None]) -> None:
        """Make it.

        Args:
            uri: As virsh takes it, e.g. ``qemu+unix:///system?socket=/run/libvirt/libvirt-sock``.
            changed: Called on the loop when a VM changed or the connection came or went.
        """
        self._uri = uri
        self._changed = changed
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE_MAX, thread_name_prefix="libvirt")
        self._connection: Any = None
        self._lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, for ever; at the end give the threads back."""
        try:
            await self._keep_connected()
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _keep_connected(self) -> None:
        """The loop of `run`."""
        log, pause_s = logging.getLogger(__name__), PAUSE_FIRST_S
        while True:
            self._lost.clear()
            try:
                connection = await self._in_thread(self._open)
            except libvirt.libvirtError as error:
                log.log(logging.WARNING if pause_s == PAUSE_FIRST_S else logging.DEBUG, "libvirt is away: %s", error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
                continue
            log.info("connected to libvirt")
            pause_s, self._connection = PAUSE_FIRST_S, connection
            self._changed()
            try:
                await self._lost.wait()
            finally:
                self._connection = None
                await asyncio.shield(self._in_thread(_close, connection))
            log.warning("libvirt's connection is lost")
            self._changed()

    async def domains(self) -> dict[VmId, Domain]:
        """Every domain that is ours.

        Raises:
            HypervisorAwayError: Nothing is known now.
        """
        return await self._call(_domains)

    async def define(self, vm: VmId, text: str) -> None:
        """Store a definition."""
        await self._act(vm, Reason.DEFINE_FAILED, lambda connection: connection.defineXML(text))

    async def start(self, vm: VmId, reboot_count: int) -> None:
        """Start a VM and mark the start; one that runs already is marked only."""
        await self._act(vm, Reason.START_FAILED, lambda connection: _start(connection, vm, reboot_count))

    async def mark_started(self, vm: VmId, reboot_count: int) -> None:
        """Write down which start a running VM is on."""
        await self._act(vm, Reason.START_FAILED, lambda connection: _mark(connection, vm, started=reboot_count))

    async def mark_halted(self, vm: VmId) -> None:
        """Write down that the guest switched itself off."""
        await self._act(vm, Reason.STOP_FAILED, lambda connection: _mark(connection, vm, halted=True))

    async def resume(self, vm: VmId) -> None:
        """Let a frozen VM go on."""
        await self._act(vm, Reason.PAUSED, lambda connection: connection.lookupByName(vm).resume())

    async def shutdown(self, vm: VmId) -> None:
        """Press the guest's power button."""
        await self._act(vm, Reason.STOP_FAILED, lambda connection: _unless_off(connection, vm, "shutdown"))

    async def destroy(self, vm: VmId) -> None:
        """Pull the plug."""
        await self._act(vm, Reason.STOP_FAILED, lambda connection: _unless_off(connection, vm, "destroy"))

    async def undefine(self, vm: VmId) -> None:
        """Remove the definition."""
        await self._act(vm, Reason.STOP_FAILED, lambda connection: _undefine(connection, vm))

    async def _act(self, vm: VmId, reason: Reason, what: Callable[[Any], object]) -> None:
        """Do `what` on the connection.

        Raises:
            ActionFailedError: libvirt refused.
            HypervisorAwayError: It is not there.
        """
        try:
            await self._call(what)
        except libvirt.libvirtError as error:
            public = f"the hypervisor refused: {without_paths(error.get_error_message() or str(error))}"
            raise ActionFailedError(reason, public, f"{vm}: {error}") from error

    async def _call(self, what: Callable[[Any], ResultT]) -> ResultT:
        """Call `what` with the connection, on a thread."""
        connection = self._connection
        if connection is None:
            raise HypervisorAwayError
        try:
            return await self._in_thread(what, connection)
        except libvirt.libvirtError as error:
            if error.get_error_code() in _AWAY and not await self._in_thread(_is_alive, connection):
                self._lost.set()
                raise HypervisorAwayError from error
            raise

    async def _in_thread(
        self, function: Callable[ArgsP, ResultT], *args: ArgsP.args, **kwargs: ArgsP.kwargs
    ) -> ResultT:
        """Run on one of our threads: libvirt blocks."""
        return await self._loop.run_in_executor(self._threads, functools.partial(function, *args, **kwargs))

    def _open(self) -> Any:
        """Connect and subscribe; on a thread."""
        _start_events()
        connection = libvirt.open(self._uri)
        connection.setKeepAlive(KEEPALIVE_S, KEEPALIVE_LOST_MAX)
        connection.registerCloseCallback(lambda *_: self._post(self._lost.set), None)
        connection.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda *_: self._post(self._changed), None
        )
        return connection

    def _post(self, call: Callable[[], object]) -> None:
        """From libvirt's thread to the loop; a loop that is closing hears nothing more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


# ---- libvirt's event thread ------------------------------------------------------------------------------------------

_EVENTS_LOCK = threading.Lock()
_EVENTS: list[threading.Thread] = []
"""At most one: libvirt has one event loop a process, and it cannot be taken back."""


def _start_events() -> None:
    """Run libvirt's event loop on a thread of its own, once a process."""
    with _EVENTS_LOCK:
        if _EVENTS:
            return
        # libvirt prints every error to stderr unless told otherwise; ours are raised and logged.
        libvirt.registerErrorHandler(lambda *_: None, None)
        libvirt.virEventRegisterDefaultImpl()
        thread = threading.Thread(target=_run_events, name="libvirt events", daemon=True)
        thread.start()
        _EVENTS.append(thread)


def _run_events() -> None:
    """For ever; a process that ends takes the thread along."""
    while True:
        libvirt.virEventRunDefaultImpl()


# ---- on the threads --------------------------------------------------------------------------------------------------


def _close(connection: Any) -> None:
    try:
        connection.close()
    except libvirt.libvirtError as error:
        logging.getLogger(__name__).debug("closing libvirt's connection: %s", error)


def _is_alive(connection: Any) -> bool:
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


def _domains(connection: Any) -> dict[VmId, Domain]:
    """All of ours; a domain that goes while we look is gone."""
    found = {}
    for handle in connection.listAllDomains():
        name = handle.name()
        if not is_id(name, "vm"):
            continue
        try:
            domain = _domain(handle)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
            continue
        if domain is not None:
            found[VmId(name)] = domain
    return found


def _domain(handle: Any) -> Domain | None:
    """One domain, None if it does not carry our marks: then it is somebody else's."""
    state, reason = handle.state()
    is_off = _STATES.get(state, DomainState.OFF) is DomainState.OFF
    live = None if is_off else _marks(handle, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    stored = _marks(handle, libvirt.VIR_DOMAIN_AFFECT_CONFIG) or live
    if stored is None:
        return None
    return Domain(
        state=_STATES.get(state, DomainState.OFF),
        off_reason=_OFF_REASONS.get(reason, OffReason.UNKNOWN) if is_off else OffReason.UNKNOWN,
        marks=stored,
        running_reboot_count=live.reboot_count if live is not None else None,
    )


def _marks(handle: Any, which: int) -> Marks | None:
    """Our marks of the stored or of the running definition."""
    try:
        text = handle.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, definition.MARKS_URI, which)
    except libvirt.libvirtError as error:
        # Invalid: it went off since we asked its state, or it is running without a stored definition.
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_OPERATION_INVALID):
            return None
        raise
    return definition.parse_marks(text)


def _start(connection: Any, vm: VmId, reboot_count: int) -> None:
    """Start unless it runs, then mark."""
    handle = connection.lookupByName(vm)
    if not handle.isActive():
        handle.create()
    _mark(connection, vm, started=reboot_count)


def _mark(connection: Any, vm: VmId, *, started: int | None = None, halted: bool = False) -> None:
    """Change the stored marks."""
    handle = connection.lookupByName(vm)
    marks = _marks(handle, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    assert marks is not None, "only domains that carry marks are acted on"
    changed = Marks(
        marks.generation, marks.reboot_count, marks.digest, marks.started if started is None else started, halted
    )
    handle.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        definition.render_marks(changed),
        definition.MARKS_KEY,
        definition.MARKS_URI,
        libvirt.VIR_DOMAIN_AFFECT_CONFIG,
    )


def _unless_off(connection: Any, vm: VmId, what: str) -> None:
    """Call a method of a domain that runs; one that went off meanwhile is as wanted."""
    handle = connection.lookupByName(vm)
    try:
        getattr(handle, what)()
    except libvirt.libvirtError:
        if handle.isActive():
            raise


def _undefine(connection: Any, vm: VmId) -> None:
    """Remove a definition that may be gone already."""
    try:
        connection.lookupByName(vm).undefineFlags(_UNDEFINE_ALL)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
