"""qemu-img under limits: it reads headers that tenants wrote.

Source: qemu-img(1); OpenStack runs it under the same kind of limits since CVE-2015-5162.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

CPU_S_MAX = 20
"""A header is read in milliseconds; one that takes seconds is built to."""
MEMORY_BYTES_MAX = 1024**3
"""qemu-img maps a few hundred MiB of libraries; a header cannot make it eat the host."""
DEADLINE_S = 60.0


class QemuImgError(Exception):
    """qemu-img failed; the message is what it said."""


async def inspect(path: Path, file_format: str) -> bytes:
    """The JSON that `qemu-img info` prints of a file opened as `file_format`.

    Raises:
        QemuImgError: It cannot read the file as that.
    """
    # -U: another process may have the image open; we only read its header.
    return await _run("info", "--output=json", "-U", "-f", file_format, "--", str(path))


async def create(path: Path, size_bytes: int | None, backing: Path | None, backing_format: str) -> None:
    """Make a qcow2 at `path`: over `backing`, or blank; the file is there, whole, or not at all.

    Raises:
        QemuImgError: The disk is full, or there is no backing file.
    """
    beside = path.with_name(f"{path.name}.new")
    base = ["-b", str(backing), "-F", backing_format] if backing is not None else []
    size = [str(size_bytes)] if size_bytes is not None else []
    try:
        await _run("create", "-q", "-f", "qcow2", *base, "--", str(beside), *size)
        beside.replace(path)
    except OSError as error:
        raise QemuImgError(error.strerror or "rename failed") from error
    finally:
        beside.unlink(missing_ok=True)


async def _run(*arguments: str) -> bytes:
    """Run qemu-img; its standard output."""
    limits = ("--as=" + str(MEMORY_BYTES_MAX), "--cpu=" + str(CPU_S_MAX), "--core=0")
    process = await asyncio.create_subprocess_exec(
        "prlimit",
        *limits,
        "qemu-img",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            out, err = await process.communicate()
    except TimeoutError:
        raise QemuImgError(f"no answer within {DEADLINE_S:.0f} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        said = err.decode(errors="replace").strip().removeprefix("qemu-img: ")
        raise QemuImgError(said or f"ended with {process.returncode}")
    return out
