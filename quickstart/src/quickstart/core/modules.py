"""Which kernel modules must be loaded, and in which order, to have the ones we want.

Debian makes `modules.dep` only when a kernel is installed, and we never install the guest's. So the dependencies are
read where depmod itself reads them: in each module's `.modinfo` section.

Source: the System V ABI, chapter 4 (ELF64 sections); Linux include/linux/module.h (`depends=`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from ultracloud.base.faults import InvalidArgumentError

_ELF64_LITTLE = b"\x7fELF\x02\x01"
_SECTION_HEADERS_AT = 0x28
_SECTION_COUNTS_AT = 0x3A
_SECTION = struct.Struct("<IIQQQQIIQQ")


def name_of(path: str) -> str:
    """The module's name: the kernel treats `-` and `_` alike and so does `depends=`."""
    return path.rpartition("/")[2].removesuffix(".ko").replace("-", "_")


def dependencies(module: bytes) -> tuple[str, ...]:
    """Names of the modules that `module`, the bytes of a .ko file, needs loaded before it.

    Raises:
        InvalidArgumentError: The bytes are no ELF64 object with a `.modinfo` section.
    """
    for field in _section(module, b".modinfo").split(b"\0"):
        if field.startswith(b"depends="):
            return tuple(name.replace("-", "_") for name in field[8:].decode().split(",") if name)
    return ()


def load_order(wanted: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Give `wanted` and all they need, each after what it needs.

    Args:
        wanted: Module names.
        needs: Module name -> names it depends on, for every module there is.

    Raises:
        InvalidArgumentError: A module that is needed is not in `needs`.
    """
    order: list[str] = []
    for name in wanted:
        _append_with_needs(name, needs, order, frozenset())
    return order


def _append_with_needs(name: str, needs: Mapping[str, Sequence[str]], order: list[str], above: frozenset[str]) -> None:
    """Append `name` to `order` after all it needs; `above` are the modules that led here."""
    if name in order:
        return
    if name not in needs or name in above:
        raise InvalidArgumentError(f"kernel module '{name}' is missing or needs itself; this kernel cannot be used")
    for need in needs[name]:
        _append_with_needs(need, needs, order, above | {name})
    order.append(name)


def _section(module: bytes, wanted: bytes) -> bytes:
    """The bytes of one named section."""
    if not module.startswith(_ELF64_LITTLE):
        raise InvalidArgumentError("the module is not an ELF64 object file")
    try:
        (headers_at,) = struct.unpack_from("<Q", module, _SECTION_HEADERS_AT)
        size, count, names_index = struct.unpack_from("<HHH", module, _SECTION_COUNTS_AT)
        headers = [_SECTION.unpack_from(module, headers_at + index * size) for index in range(count)]
        names_at = headers[names_index][4]
    except (struct.error, IndexError) as error:
        raise InvalidArgumentError("the module's section table is cut short") from error
    for header in headers:
        start = names_at + header[0]
        if module[start : start + len(wanted) + 1] == wanted + b"\0":
            return module[header[4] : header[4] + header[5]]
    raise InvalidArgumentError(f"the module has no section {wanted.decode()}")
