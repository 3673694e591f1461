"""Domain XML: goldens for what is run, properties for what is escaped."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_host import PLACE, digest, direct_vm, disk_vm, nic

from plasmavmc.agent.core.definition import MARKS_URI, marks_of, parse_marks, render, render_marks, uuid_of
from plasmavmc.agent.core.desired import DirectBoot, Sha256, SourceFile, VmId
from plasmavmc.agent.core.observed import Marks
from plasmavmc.agent.core.place import Accelerator, Place
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.ids import make_id
from ultracloud.testkit import golden

parse = ET.fromstring
"""What is parsed here was rendered a line before."""
GOLDEN = Path(__file__).parents[2] / "golden" / "definition"
MARKS = st.builds(
    Marks,
    generation=st.integers(0, 2**60),
    reboot_count=st.integers(0, 2**32),
    digest=st.text("0123456789abcdef", min_size=32, max_size=32),
    started=st.integers(-1, 2**32),
    halted=st.booleans(),
)


def direct_boot(cmdline: str) -> DirectBoot:
    return DirectBoot(SourceFile("file:///k", digest("a")), None, cmdline)


def test_direct_vm_with_two_nics_under_emulation() -> None:
    vm = direct_vm(nics=(nic("tapa"), nic("tapb", "52:54:00:00:00:02")))
    golden.check(GOLDEN / "direct.xml.txt", render(vm, PLACE, marks_of(vm, PLACE, -1)))


def test_disk_vm_on_kvm_with_its_own_emulator() -> None:
    place = replace(PLACE, accelerator=Accelerator.KVM, emulator="/opt/qemu & co/qemu")
    golden.check(GOLDEN / "disk.xml.txt", render(disk_vm(vcpus=4, memory_mib=2048), place))


@given(MARKS)
def test_marks_come_back_as_they_went(marks: Marks) -> None:
    assert parse_marks(render_marks(marks)) == marks


@given(MARKS)
def test_marks_stand_in_the_definition_under_our_namespace(marks: Marks) -> None:
    element = parse(render(direct_vm(), PLACE, marks)).find(f"metadata/{{{MARKS_URI}}}vm")
    assert element is not None
    assert parse_marks(ET.tostring(element, encoding="unicode")) == marks


@pytest.mark.parametrize("text", ["", "<vm/>", "not xml", "<vm generation='x'/>"])
def test_foreign_marks_are_none_of_ours(text: str) -> None:
    assert parse_marks(text) is None


@given(st.text())
def test_any_name_makes_a_definition_that_parses(name: str) -> None:
    title = parse(render(direct_vm(name=name), PLACE)).findtext("title") or ""
    assert [mine for mine, theirs in zip(title, name, strict=False) if mine not in (theirs, "\ufffd", " ")] == []


@given(st.text())
def test_kernel_arguments_arrive_exactly_or_are_refused(cmdline: str) -> None:
    vm = direct_vm(boot=direct_boot(cmdline))
    if cmdline.isprintable():
        assert (parse(render(vm, PLACE)).findtext("os/cmdline") or "") == cmdline
    else:
        with contextlib.suppress(InvalidArgumentError):
            assert (parse(render(vm, PLACE)).findtext("os/cmdline") or "") == cmdline


@given(st.sampled_from("<>&\"' ,;:="))
def test_paths_with_special_characters_arrive_exactly(letter: str) -> None:
    place = Place(PurePosixPath(f"/state{letter}dir"), PurePosixPath(f"/run{letter}"), Accelerator.TCG, "", 0)
    disk = parse(render(disk_vm(), place)).find("devices/disk/source")
    assert disk is not None
    assert disk.get("file") == str(place.disk(disk_vm().id))


def test_digest_changes_with_what_is_run_and_not_with_the_count() -> None:
    vm = direct_vm()
    same, larger = replace(vm, reboot_count=9), replace(vm, memory_mib=999)
    assert marks_of(vm, PLACE, 0).digest == marks_of(same, PLACE, 3).digest
    assert marks_of(vm, PLACE, 0).digest != marks_of(larger, PLACE, 0).digest


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_uuid_is_the_bits_of_the_ulid(now_ms: int, entropy: bytes) -> None:
    assert uuid_of(VmId(make_id("vm", now_ms, entropy))).bytes == now_ms.to_bytes(6, "big") + entropy


@pytest.mark.parametrize("text", ["", "vm-1", "../../etc", "port-01jd0000000000000000000001"])
def test_what_is_no_vm_id_gets_no_definition(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is not the id of a VM"):
        render(direct_vm(id=VmId(text)), PLACE)


def test_runtime_folder_too_long_for_sockets_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="runtime_dir is 90 bytes long; at most 67"):
        Place(PurePosixPath("/s"), PurePosixPath("/" + "r" * 89), Accelerator.TCG, "", 0)


def test_vm_without_initrd_has_none() -> None:
    boot = DirectBoot(SourceFile("file:///k", Sha256("a" * 64)), None, "")
    assert parse(render(direct_vm(boot=boot), PLACE)).find("os/initrd") is None
