import struct

import pytest

from quickstart.core import modules
from ultracloud.base.faults import InvalidArgumentError


def elf(sections: dict[bytes, bytes]) -> bytes:
    """A minimal ELF64 object with these sections."""
    names = b"\0" + b"".join(name + b"\0" for name in [*sections, b".shstrtab"])
    bodies = [*sections.values(), names]
    headers, at = [b"\0" * 64], 64
    for name, body in zip([*sections, b".shstrtab"], bodies, strict=True):
        headers.append(struct.pack("<IIQQQQIIQQ", names.index(name + b"\0"), 1, 0, 0, at, len(body), 0, 0, 1, 0))
        at += len(body)
    head = bytearray(b"\x7fELF\x02\x01".ljust(64, b"\0"))
    struct.pack_into("<Q", head, 0x28, at)
    struct.pack_into("<HHH", head, 0x3A, 64, len(headers), len(headers) - 1)
    return bytes(head) + b"".join(bodies) + b"".join(headers)


def test_dependencies_are_read_from_the_module_itself():
    module = elf({b".text": b"\x90", b".modinfo": b"license=GPL\0depends=virtio,virtio-ring\0name=virtio_net\0"})
    assert modules.dependencies(module) == ("virtio", "virtio_ring")


def test_a_module_without_needs_needs_nothing():
    assert modules.dependencies(elf({b".modinfo": b"depends=\0license=GPL\0"})) == ()


@pytest.mark.parametrize("junk", [b"", b"\x7fELF\x02\x01", b"#!/bin/sh\n", elf({b".text": b""})])
def test_what_is_no_module_is_refused(junk: bytes):
    with pytest.raises(InvalidArgumentError):
        modules.dependencies(junk)


def test_a_module_is_loaded_after_all_it_needs_and_once():
    needs = {"net": ["failover", "ring"], "pci": ["ring", "core"], "ring": ["core"], "core": [], "failover": []}
    assert modules.load_order(["pci", "net"], needs) == ["core", "ring", "pci", "failover", "net"]


@pytest.mark.parametrize("needs", [{"a": ["b"]}, {"a": ["b"], "b": ["a"]}])
def test_a_missing_or_circular_need_is_named(needs: dict[str, list[str]]):
    with pytest.raises(InvalidArgumentError, match=r"'[ab]'"):
        modules.load_order(["a"], needs)


def test_hyphens_and_underscores_are_the_same():
    assert modules.name_of("lib/modules/6.1/kernel/drivers/char/hw_random/virtio-rng.ko") == "virtio_rng"
