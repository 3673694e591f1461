"""Which image files this host opens: what `qemu-img info` says of a file, read and judged.

A qcow2 header may name another file as its backing file or data file, and QEMU would open it with the host's rights: a
tenant's image could read the host's own disks. Such files are refused, whatever they name.

Source: QEMU's docs/interop/qcow2.txt; CVE-2022-47951 and CVE-2024-32498, where OpenStack learnt this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

VIRTUAL_SIZE_BYTES_MAX = 64 * 1024**4
"""A larger disk is a header that lies."""


@dataclass(frozen=True, slots=True)
class ImageRefused:
    """Why a file is not opened."""

    says: str


@dataclass(frozen=True, slots=True)
class ImageSize:
    """A file that may be opened, and the size of the disk a guest sees."""

    virtual_bytes: int


def judge(text: bytes, wanted_format: str) -> ImageSize | ImageRefused:
    """Judge the JSON that ``qemu-img info --output=json -f <wanted_format>`` printed."""
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return ImageRefused("qemu-img told nothing of it")
    size = told.get("virtual-size")
    if not isinstance(size, int):
        return ImageRefused("qemu-img told no virtual size")
    objection = _objection(told, size, wanted_format)
    return ImageRefused(objection) if objection else ImageSize(size)


def _objection(told: Mapping[str, object], size: int, wanted_format: str) -> str:
    """What speaks against the file; empty if nothing does."""
    specific = told.get("format-specific")
    details = specific.get("data") if isinstance(specific, dict) else None
    header = details if isinstance(details, dict) else {}
    objections = {
        f"it is {told.get('format')!a}, not {wanted_format}": told.get("format") != wanted_format,
        "it names a backing file; an image must hold all its data itself": bool(
            told.get("backing-filename") or told.get("full-backing-filename")
        ),
        "it names an external data file; an image must hold all its data itself": bool(header.get("data-file")),
        "it is encrypted; an image must be readable": bool(told.get("encrypted")),
        "it is marked corrupt": bool(header.get("corrupt")),
        f"its virtual size of {size} bytes is outside 1 to {VIRTUAL_SIZE_BYTES_MAX}": not (
            0 < size <= VIRTUAL_SIZE_BYTES_MAX
        ),
    }
    return next((says for says, holds in objections.items() if holds), "")
