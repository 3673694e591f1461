"""Whether KVM really works: run something on it, in a child process, with a deadline.

`/dev/kvm` that opens proves nothing. Under some hypervisors it emulates every instruction, about a hundred times slower
than QEMU's own emulator; a probe that only boots something passes there. So the guest is a loop of a known number of
instructions, and what is judged is its speed. The child is killed at the deadline: KVM_RUN does not return by itself.

The guest has 2 MiB and starts in 64-bit mode with an identity mapping of one 2 MiB page, because the slow kernels have
faster ways for real mode than for what kernels use.

Source: Linux Documentation/virt/kvm/api.rst (4.1 to 4.11, 5); Intel SDM volume 3, 4.5 (paging) and 9.8.5 (long mode).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import select
import signal
import struct
import time
from dataclasses import dataclass

DEVICE = "/dev/kvm"
LOOPS = 200_000
"""Two instructions each: under a millisecond on a working KVM, a quarter of a second on an emulating one."""
SPEED_MIPS_MIN = 20.0
"""Two instructions each: under a millisecond on a working KVM, a quarter of a second on an emulating one."""
DEADLINE_S = 1.0
API_VERSION = 12
"""KVM_GET_API_VERSION has given this since 2007; the documentation says to refuse any other."""
EXITS_MAX = 1_000
"""Signals may end KVM_RUN early; more often than this is no loop we wrote."""

_GET_API_VERSION, _CREATE_VM, _GET_VCPU_MMAP_SIZE = 0xAE00, 0xAE01, 0xAE04
_CREATE_VCPU, _SET_TSS_ADDR, _RUN = 0xAE41, 0xAE47, 0xAE80
_SET_USER_MEMORY_REGION, _SET_REGS = 0x4020AE46, 0x4090AE82
_GET_SREGS, _SET_SREGS = 0x8138AE83, 0x4138AE84
_EXIT_IO, _EXIT_HLT = 2, 5
_TSS_ADDRESS = 0x7FFBD000
_MEMORY_BYTES = 0x200000
_CODE, _PML4, _PDPT, _PD = 0x1000, 0x2000, 0x3000, 0x4000
_PRESENT_WRITABLE, _LARGE_PAGE = 0x3, 0x80
_CR0_PROTECTED_PAGED, _CR4_PAE, _EFER_LONG_MODE = 0x80050033, 0x20, 0x500
_SREGS_BYTES, _SEGMENTS, _SEGMENT_BYTES, _TABLE_BYTES = 0x138, 8, 24, 16
_REPORT_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Probe:
    """What the probe found; `why` is one sentence for a person."""

    usable: bool
    why: str
    seconds: float


def probe(deadline_s: float = DEADLINE_S, loops: int = LOOPS) -> Probe:
    """Run the loop on KVM in a child process and judge its speed.

    Nothing is left behind: no process, no open device.
    """
    started = time.monotonic()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        _be_the_child(writer, loops)
    os.close(writer)
    try:
        is_told = bool(select.select([reader], [], [], deadline_s)[0])
        told = os.read(reader, _REPORT_BYTES_MAX).decode() if is_told else ""
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
    seconds = time.monotonic() - started
    if not is_told:
        return Probe(
            usable=False, why=f"{DEVICE} opens, but a guest does not get on in {deadline_s} s", seconds=seconds
        )
    return _judge(told, seconds)


def _judge(told: str, seconds: float) -> Probe:
    """Read what the child wrote: ``ran <MIPS>``, or a sentence."""
    word, _, rest = told.partition(" ")
    if word != "ran":
        return Probe(usable=False, why=told or f"the probe of {DEVICE} died", seconds=seconds)
    speed = float(rest)
    if speed < SPEED_MIPS_MIN:
        why = f"{DEVICE} opens, but runs only {speed:.1f} million instructions a second; QEMU's emulator is faster"
        return Probe(usable=False, why=why, seconds=seconds)
    return Probe(usable=True, why=f"a guest ran {speed:.0f} million instructions a second", seconds=seconds)


def _be_the_child(writer: int, loops: int) -> None:
    """Run the guest, write one line, and leave without running anything of the parent's."""
    line = f"the probe of {DEVICE} failed in an unforeseen way"
    try:
        line = _run_guest(loops)
    except OSError as error:
        line = f"{DEVICE} cannot be used: {error.strerror}"
    finally:
        with contextlib.suppress(OSError):
            os.write(writer, line.encode())
        os._exit(0)


def _run_guest(loops: int) -> str:
    """Make a VM with one virtual CPU, run the loop, tell its speed.

    Raises:
        OSError: The device or one of its calls refuses.
    """
    device = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    version = fcntl.ioctl(device, _GET_API_VERSION, 0)
    if version != API_VERSION:
        return f"{DEVICE} speaks version {version} of KVM, not {API_VERSION}"
    vm = fcntl.ioctl(device, _CREATE_VM, 0)
    # Intel needs a place for its task state segment; AMD does not know the call.
    with contextlib.suppress(OSError):
        fcntl.ioctl(vm, _SET_TSS_ADDR, _TSS_ADDRESS)
    memory = mmap.mmap(-1, _MEMORY_BYTES)
    _fill_memory(memory, loops)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(vm, _SET_USER_MEMORY_REGION, struct.pack("IIQQQ", 0, 0, 0, _MEMORY_BYTES, address))
    cpu = fcntl.ioctl(vm, _CREATE_VCPU, 0)
    run = mmap.mmap(cpu, fcntl.ioctl(device, _GET_VCPU_MMAP_SIZE, 0))
    _set_registers(cpu)
    return _run_until_halt(cpu, run, loops)


def _fill_memory(memory: mmap.mmap, loops: int) -> None:
    """Page tables, and the program: write 'K' to port 0x3f8, count down, write 'V', halt."""
    struct.pack_into("<Q", memory, _PML4, _PDPT | _PRESENT_WRITABLE)
    struct.pack_into("<Q", memory, _PDPT, _PD | _PRESENT_WRITABLE)
    struct.pack_into("<Q", memory, _PD, _PRESENT_WRITABLE | _LARGE_PAGE)
    program = (
        b"\x66\xba\xf8\x03"  # mov dx, 0x3f8
        b"\xb0K\xee"  # mov al, 'K'; out dx, al
        b"\xb9" + struct.pack("<I", loops) + b"\xff\xc9"  # mov ecx, loops; 1: dec ecx
        b"\x75\xfc"  # jnz 1b
        b"\xb0V\xee"  # mov al, 'V'; out dx, al
        b"\xf4"  # hlt
    )
    memory[_CODE : _CODE + len(program)] = program


def _set_registers(cpu: int) -> None:
    """64-bit mode, flat segments, the instruction pointer at the program."""
    special = bytearray(fcntl.ioctl(cpu, _GET_SREGS, bytes(_SREGS_BYTES)))
    code, other = (8, 11, 1, 0, 0, 1, 1), (16, 3, 1, 0, 1, 1, 0)
    for index in range(6):  # cs, ds, es, fs, gs, ss
        selector, kind, present, ring, big, system, long = code if index == 0 else other
        fields = (0, 0xFFFFFFFF, selector, kind, present, ring, big, system, long, 1, 0, 0, 0)
        struct.pack_into("<QIHBBBBBBBBBB", special, _SEGMENT_BYTES * index, *fields)
    control = _SEGMENT_BYTES * _SEGMENTS + 2 * _TABLE_BYTES
    cr8 = struct.unpack_from("<Q", special, control + 32)[0]
    words = (_CR0_PROTECTED_PAGED, 0, _PML4, _CR4_PAE, cr8, _EFER_LONG_MODE)
    struct.pack_into("<6Q", special, control, *words)
    fcntl.ioctl(cpu, _SET_SREGS, bytes(special))
    general = [0] * 18
    general[16], general[17] = _CODE, 2  # rip; rflags, whose bit 1 is always set
    fcntl.ioctl(cpu, _SET_REGS, struct.pack("18Q", *general))


def _run_until_halt(cpu: int, run: mmap.mmap, loops: int) -> str:
    """Run; collect what the guest writes to its port; tell the speed when it halts."""
    written = b""
    started = time.perf_counter()
    for _ in range(EXITS_MAX):
        try:
            fcntl.ioctl(cpu, _RUN, 0)
        except InterruptedError:
            continue
        reason = struct.unpack_from("I", run, 8)[0]
        if reason == _EXIT_IO:
            at = struct.unpack_from("Q", run, 40)[0]
            written += run[at : at + 1]
        elif reason == _EXIT_HLT and written == b"KV":
            return f"ran {2 * loops / (time.perf_counter() - started) / 1e6:.3f}"
        else:
            return f"{DEVICE} ends a guest with exit {reason} after it wrote {written!r}"
    return f"{DEVICE} ends a guest's run over {EXITS_MAX} times"
