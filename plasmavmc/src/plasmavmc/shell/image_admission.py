"""What becomes an image: which files its format needs, whether they are what they shall be, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass

from plasmavmc.core.disk_images import ImageRefused, judge
from plasmavmc.core.reasons import Word
from plasmavmc.core.sentences import without_paths
from plasmavmc.core.signatures import Role
from plasmavmc.core.status import Finding
from plasmavmc.core.vms import check_cmdline
from plasmavmc.shell import qemu_img
from plasmavmc.shell.image_files import FileFacts, ImageFiles
from plasmavmc.shell.records import set_conditions
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit.policy import authorise
from ultracloud.servicekit.resources import Context

DIGEST_AT_ONCE_BYTES_MAX = 512 * 1024**2
"""Files up to this size together are hashed before the call is answered, in a third of a second; larger ones after."""
PUBLISH = "plasmavmc.images.publish"
"""The permission to make an image or a flavour usable by everybody; asked for at the root."""
_FORMATS = {pb.ImageSpec.QCOW2: "qcow2", pb.ImageSpec.RAW: "raw"}
_ROLES = {pb.ImageSpec.QCOW2: Role.QCOW2, pb.ImageSpec.RAW: Role.RAW}


@dataclass(frozen=True, slots=True)
class _Files:
    """An image's files; those its format does not need are None."""

    disk: FileFacts | None
    kernel: FileFacts | None
    initrd: FileFacts | None

    @property
    def size_bytes(self) -> int:
        """Of all together."""
        return sum(facts.size_bytes for facts in (self.disk, self.kernel, self.initrd) if facts is not None)


@dataclass(frozen=True, slots=True)
class ImageAdmission:
    """Admits images from `files`."""

    files: ImageFiles

    async def admit(self, context: Context, new: pb.Image, old: pb.Image | None) -> pb.Image:
        """See `Kind.admit`: look at the files; hash them now if that is quick."""
        if new.spec.public and not (old is not None and old.spec.public):
            await require_publisher(context)
        if old is not None:
            return new
        check_cmdline(new.spec.cmdline)
        files = await self._look(new.spec)
        new.status.size_bytes = files.size_bytes
        new.status.virtual_size_bytes = await self._virtual_size(new.spec, files)
        if files.size_bytes <= DIGEST_AT_ONCE_BYTES_MAX:
            await self._digest(new.status, files)
            finding = Finding("Ready", True, Word.VERIFIED.value)
        else:
            finding = Finding("Ready", False, Word.READING.value, f"{files.size_bytes} bytes are being read")
        set_conditions(new, context.clock.now_ms(), finding)
        return new

    async def read(self, image: pb.Image) -> pb.ImageStatus:
        """The status of an image whose files are read now, without conditions.

        Raises:
            Fault: A file is gone, changed or unreadable.
        """
        files = await self._look(image.spec)
        status = pb.ImageStatus(
            size_bytes=files.size_bytes, virtual_size_bytes=await self._virtual_size(image.spec, files)
        )
        await self._digest(status, files)
        return status

    async def _look(self, spec: pb.ImageSpec) -> _Files:
        """All files the format needs, and none that it does not."""
        _check_fields(spec)
        if spec.format != pb.ImageSpec.DIRECT:
            return _Files(await self.files.look(spec.disk_url, _ROLES[spec.format], "disk_url"), None, None)
        kernel = await self.files.look(spec.kernel_url, Role.KERNEL, "kernel_url")
        initrd = await self.files.look(spec.initrd_url, Role.INITRD, "initrd_url") if spec.initrd_url else None
        return _Files(None, kernel, initrd)

    async def _virtual_size(self, spec: pb.ImageSpec, files: _Files) -> int:
        """Size of the disk a guest sees; 0 without one."""
        if files.disk is None:
            return 0
        name = _FORMATS[spec.format]
        try:
            judged = judge(await qemu_img.inspect(files.disk.path, name), name)
        except qemu_img.QemuImgError as error:
            judged = ImageRefused(f"it cannot be read as {name}: {without_paths(str(error), files.disk.path)}")
        if isinstance(judged, ImageRefused):
            raise InvalidArgumentError(f"disk_url is no image: {judged.says}", reason="IMAGE_REFUSED")
        return judged.virtual_bytes

    async def _digest(self, status: pb.ImageStatus, files: _Files) -> None:
        """Fill in the digests."""
        if files.disk is not None:
            status.disk_sha256 = await self.files.digest(files.disk)
        if files.kernel is not None:
            status.kernel_sha256 = await self.files.digest(files.kernel)
        if files.initrd is not None:
            status.initrd_sha256 = await self.files.digest(files.initrd)


async def require_publisher(context: Context) -> None:
    """Return if the caller may make something public.

    Raises:
        PermissionDeniedError: They may not.
    """
    await authorise(context.resources.authority, context.principal, PUBLISH, "")


def _check_fields(spec: pb.ImageSpec) -> None:
    """Return if exactly the fields of the format are given."""
    forbidden: tuple[str, ...] = ("kernel_url", "initrd_url", "cmdline")
    needed = "disk_url"
    if spec.format == pb.ImageSpec.DIRECT:
        needed, forbidden, name = "kernel_url", ("disk_url",), "DIRECT"
    elif spec.format in _FORMATS:
        name = _FORMATS[spec.format].upper()
    else:
        raise InvalidArgumentError("format is missing; accepted: QCOW2, RAW or DIRECT", reason="IMAGE_FORMAT")
    if not getattr(spec, needed):
        raise InvalidArgumentError(f"{needed} is empty; a {name} image needs it", reason="FIELD_MISSING")
    for field in forbidden:
        if getattr(spec, field):
            raise InvalidArgumentError(f"{field} has no meaning for a {name} image; leave it empty", reason="FIELD")
