"""A VM as libvirt's domain XML, and the marks we keep in the domain's metadata.

libvirt knows a VM by its id and carries its name as the title. The machine has what a cloud guest uses and nothing
else: every device costs boot time under emulation. The UUID is the ULID's 128 bits, so one VM has one UUID everywhere.

Text that XML 1.0 cannot carry (most control characters) is refused where it would change what is run, and replaced
where it is only shown.

Source: libvirt's domain format, https://libvirt.org/formatdomain.html (9.0); XML 1.0 section 2.2 (Char).
"""

from __future__ import annotations

import hashlib
import re
from uuid import UUID
from xml.etree import ElementTree as ET

from plasmavmc.agent.core.desired import DesiredVm, DirectBoot, DiskBoot, Nic, VmId
from plasmavmc.agent.core.observed import Marks
from plasmavmc.agent.core.place import Accelerator, Place
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.ids import is_id

MARKS_URI = "urn:ultracloud:plasmavmc:1"
"""Namespace of our element in a domain's metadata."""
MARKS_KEY = "plasmavmc"
"""The prefix libvirt writes that namespace with."""
MARKS_TAG = "vm"
MACHINE = "q35"
"""PCI Express without legacy; as fast to boot as `pc` under TCG, and what secure boot and hotplug want later."""
CODE_CACHE_MIB = 256
"""Translated code an emulated guest may keep. QEMU's own limit is 1 GiB, which no scheduler has counted."""
PRODUCT = "OpenStack Nova"
"""DMI product name by which cloud-init's ds-identify finds the OpenStack metadata service."""

UUID_MASK = (1 << 128) - 1

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CROCKFORD = {letter: value for value, letter in enumerate("0123456789abcdefghjkmnpqrstvwxyz")}


def uuid_of(vm: VmId) -> UUID:
    """The UUID of a VM: the bits of its ULID.

    Raises:
        InvalidArgumentError: `vm` is no VM id.
    """
    if not is_id(vm, "vm"):
        raise InvalidArgumentError(f"{vm!a} is not the id of a VM")
    number = 0
    for letter in vm.rpartition("-")[2]:
        number = number << 5 | _CROCKFORD[letter]
    # 26 letters hold 130 bits; a ULID's first letter is 7 at most, so the two above 128 are zero in a real one.
    return UUID(int=number & UUID_MASK)


def render(vm: DesiredVm, place: Place, marks: Marks | None = None) -> str:
    """The domain's XML, with `marks` in its metadata if there are any, ending in a newline.

    Raises:
        InvalidArgumentError: The id is none, or a word that decides what is run holds a character XML cannot carry.
    """
    domain = ET.Element("domain", type="kvm" if place.accelerator is Accelerator.KVM else "qemu")
    _text(domain, "name", vm.id)
    _text(domain, "uuid", str(uuid_of(vm.id)))
    _text(domain, "title", _shown(vm.name))
    if marks is not None:
        # The prefix is written out: ElementTree would number it, and libvirt finds our element by it.
        attributes = {f"xmlns:{MARKS_KEY}": MARKS_URI} | _attributes(marks)
        ET.SubElement(_text(domain, "metadata"), f"{MARKS_KEY}:{MARKS_TAG}", attributes)
    _text(domain, "memory", str(vm.memory_mib), unit="MiB")
    _text(domain, "vcpu", str(vm.vcpus))
    _sysinfo(domain)
    _boot(domain, vm, place)
    features = _text(domain, "features")
    _text(features, "acpi")
    _text(features, "apic")
    if place.accelerator is Accelerator.TCG:
        _text(_text(features, "tcg"), "tb-cache", str(CODE_CACHE_MIB), unit="MiB")
    _text(domain, "cpu", mode="host-passthrough" if place.accelerator is Accelerator.KVM else "maximum")
    _text(domain, "clock", offset="utc")
    for event, what in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        _text(domain, event, what)
    _devices(_text(domain, "devices"), vm, place)
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def marks_of(vm: DesiredVm, place: Place, started: int) -> Marks:
    """The marks the VM's definition gets; `started` is the last start that is known to have succeeded."""
    text = render(vm, place)
    return Marks(vm.generation, vm.reboot_count, hashlib.sha256(text.encode()).hexdigest()[:32], started)


def render_marks(marks: Marks) -> str:
    """The metadata element as `virDomainSetMetadata` takes it, without namespace."""
    return ET.tostring(ET.Element(MARKS_TAG, _attributes(marks)), encoding="unicode")


def parse_marks(text: str) -> Marks | None:
    """What `render_marks` wrote, as libvirt gives it back; None if it is not ours to understand."""
    try:
        element = ET.fromstring(text)  # noqa: S314 - libvirtd wrote it, and only root may tell libvirtd what to write
        return Marks(
            generation=int(element.attrib["generation"]),
            reboot_count=int(element.attrib["reboot_count"]),
            digest=element.attrib["digest"],
            started=int(element.attrib["started"]),
            halted=element.attrib["halted"] == "yes",
        )
    except (ET.ParseError, KeyError, ValueError):
        return None


def _attributes(marks: Marks) -> dict[str, str]:
    """Marks as XML attributes."""
    return {
        "generation": str(marks.generation),
        "reboot_count": str(marks.reboot_count),
        "digest": marks.digest,
        "started": str(marks.started),
        "halted": "yes" if marks.halted else "no",
    }


# ---- parts of a domain -----------------------------------------------------------------------------------------------


def _sysinfo(domain: ET.Element) -> None:
    """What the guest's DMI tables say."""
    system = _text(_text(domain, "sysinfo", type="smbios"), "system")
    _text(system, "entry", "UltraCloud", name="manufacturer")
    _text(system, "entry", PRODUCT, name="product")


def _boot(domain: ET.Element, vm: DesiredVm, place: Place) -> None:
    """Machine type, and what it boots."""
    system = _text(domain, "os")
    _text(system, "type", "hvm", arch="x86_64", machine=MACHINE)
    match vm.boot:
        case DirectBoot(kernel=kernel, initrd=initrd, cmdline=cmdline):
            _text(system, "kernel", _exact(str(place.image(kernel.sha256)), "path"))
            if initrd is not None:
                _text(system, "initrd", _exact(str(place.image(initrd.sha256)), "path"))
            _text(system, "cmdline", _exact(cmdline, "kernel argument"))
        case DiskBoot():
            _text(system, "boot", dev="hd")
            _text(system, "bootmenu", enable="no")
    _text(system, "smbios", mode="sysinfo")


def _devices(devices: ET.Element, vm: DesiredVm, place: Place) -> None:
    """Disk, network, console, randomness; and the absence of what libvirt would add."""
    if place.emulator:
        _text(devices, "emulator", _exact(place.emulator, "path"))
    if vm.has_disk:
        disk = _text(devices, "disk", type="file", device="disk")
        _text(disk, "driver", name="qemu", type="qcow2", discard="unmap")
        _text(disk, "source", file=_exact(str(place.disk(vm.id)), "path"))
        _text(disk, "target", dev="vda", bus="virtio")
    _text(devices, "controller", type="usb", model="none")
    for nic in vm.nics:
        _interface(devices, nic)
    serial = _text(devices, "serial", type="unix")
    _text(serial, "source", mode="bind", path=_exact(str(place.console_socket(vm.id)), "path"))
    _text(serial, "log", file=_exact(str(place.console_log(vm.id)), "path"), append="on")
    _text(serial, "target", port="0")
    _text(_text(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    _text(devices, "memballoon", model="none")


def _interface(devices: ET.Element, nic: Nic) -> None:
    """A tap device that exists already and stays when the VM goes."""
    interface = _text(devices, "interface", type="ethernet")
    _text(interface, "mac", address=_exact(nic.mac, "MAC address"))
    _text(interface, "target", dev=_exact(nic.device, "device name"), managed="no")
    _text(interface, "model", type="virtio")
    # The option ROM is for booting from the network; without it the firmware is done sooner.
    _text(interface, "rom", enabled="no")


def _text(parent: ET.Element, tag: str, text: str | None = None, /, **attributes: str) -> ET.Element:
    """A new child element."""
    child = ET.SubElement(parent, tag, attributes)
    child.text = text
    return child


def _exact(text: str, what: str) -> str:
    """`text` if XML carries it unchanged."""
    found = _NOT_XML.search(text) or re.search("[\r\n\t]", text)
    if found:
        raise InvalidArgumentError(f"{what} {text[:80]!a} holds {found.group()!a}, which XML cannot carry")
    return text


def _shown(text: str) -> str:
    """`text` with what XML cannot carry, and line ends, replaced."""
    return re.sub("[\r\n\t]", " ", _NOT_XML.sub("\ufffd", text))
