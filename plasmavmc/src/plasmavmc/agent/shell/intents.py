"""Between the wire and the core: intents come in, reports go out.

What is read here came from the control plane over mutual TLS; what becomes part of a path or of a command is checked
all the same.
"""

from __future__ import annotations

import re

from plasmavmc.agent.core.actions import Report
from plasmavmc.agent.core.desired import (
    DesiredVm,
    DirectBoot,
    DiskBoot,
    DiskFormat,
    Intent,
    Nic,
    PortId,
    Power,
    Sha256,
    SourceFile,
    Variable,
    VmId,
)
from ultracloud.api.iam.v1.secrets_pb2 import SecretRef
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.ids import is_id

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEVICE = re.compile(r"([A-Za-z0-9_.-]{1,15})?")
"""IFNAMSIZ is 16 with the final NUL; empty while the device is not known."""
_MAC = re.compile(r"([0-9a-f]{2}(:[0-9a-f]{2}){5})?")
_FORMATS = {pb.ImageSpec.QCOW2: DiskFormat.QCOW2, pb.ImageSpec.RAW: DiskFormat.RAW}


def parse(message: pb.HostIntent, host: str) -> Intent:
    """The intent of a message that is meant for `host`.

    Raises:
        InvalidArgumentError: A part is malformed, or it is another host's (its state folder was copied). Nothing of it
            must be acted on: a VM that is left out would be removed.
    """
    if message.host != host:
        raise InvalidArgumentError(f"it is the intent of host {message.host[:80]!a}, and this is {host}")
    return Intent(message.host, message.generation, tuple(_vm(vm) for vm in message.vms))


def _vm(message: pb.HostVm) -> DesiredVm:
    if not is_id(message.id, "vm"):
        raise InvalidArgumentError(f"{message.id!a} is not the id of a VM")
    return DesiredVm(
        id=VmId(message.id),
        name=message.name,
        project=message.project,
        generation=message.generation,
        vcpus=message.vcpus,
        memory_mib=message.memory_mib,
        disk_gib=message.disk_gib,
        boot=_boot(message),
        nics=tuple(_nic(nic) for nic in message.nics),
        ssh_keys=tuple(message.ssh_keys),
        user_data=message.user_data,
        power=Power.STOPPED if message.power == pb.STOPPED else Power.RUNNING,
        reboot_count=message.reboot_count,
        force=message.force,
        user_data_secret=_secret(message.user_data_secret),
        variables=tuple(Variable(each.name, each.value, _secret(each.secret)) for each in message.variables),
    )


def _secret(message: SecretRef) -> str:
    """Which version of which secret; empty where none is meant."""
    return f"{message.secret}@{message.number}" if message.secret else ""


def _boot(message: pb.HostVm) -> DiskBoot | DirectBoot:
    if message.image_format == pb.ImageSpec.DIRECT:
        initrd = _file(message.initrd) if message.initrd.sha256 else None
        return DirectBoot(_file(message.kernel), initrd, message.cmdline)
    if message.image_format not in _FORMATS:
        raise InvalidArgumentError(f"image format {message.image_format} is none this agent knows")
    return DiskBoot(_file(message.disk), _FORMATS[message.image_format])


def _file(message: pb.HostFile) -> SourceFile:
    if not _SHA256.fullmatch(message.sha256):
        raise InvalidArgumentError(f"{message.sha256[:80]!a} is no SHA-256")
    return SourceFile(message.url, Sha256(message.sha256))


def _nic(message: pb.HostNic) -> Nic:
    if not _DEVICE.fullmatch(message.device_name) or not _MAC.fullmatch(message.mac):
        raise InvalidArgumentError(f"{message.device_name[:40]!a} {message.mac[:40]!a} is no network device")
    return Nic(PortId(message.port), message.mac, message.address, message.device_name)


def render_report(report: Report) -> pb.VmReport:
    """A report as the control plane reads it."""
    return pb.VmReport(
        id=report.id,
        generation=report.generation,
        power=pb.RUNNING if report.power is Power.RUNNING else pb.STOPPED,
        reboot_count=report.reboot_count,
        ready=report.ready,
        reason=report.reason.value,
        message=report.message,
    )
