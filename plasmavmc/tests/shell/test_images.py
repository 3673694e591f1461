"""Which files become images, and for whom."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from clouds import DEV, OPERATOR, Cloud, bzimage, in_cloud, reason

from plasmavmc.shell import image_admission
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, NotFoundError, PermissionDeniedError

QCOW2, RAW, DIRECT = pb.ImageSpec.QCOW2, pb.ImageSpec.RAW, pb.ImageSpec.DIRECT


def qcow2(path: Path, *options: str) -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), "10M"], check=True)
    return path


def test_image_is_verified_when_it_is_made(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        image = await cloud.image("d", format=QCOW2, disk_url=qcow2(tmp_path / "a disk.qcow2").as_uri())
        assert reason(image, "Ready") == "Verified"
        assert image.status.virtual_size_bytes == 10 * 1024**2
        assert len(image.status.disk_sha256) == 64
        vm = await cloud.vm(image="d")
        assert vm.spec.disk_gib == 1

    in_cloud(tmp_path, story)


def test_raw_disk_and_direct_files_are_taken(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"\0" * 510 + b"\x55\xaa" + b"\0" * 1024)
    (tmp_path / "kernel").write_bytes(bzimage())
    (tmp_path / "initrd").write_bytes(b"070701" + b"0" * 104)

    async def story(cloud: Cloud) -> None:
        raw = await cloud.image("r", format=RAW, disk_url=(tmp_path / "raw").as_uri())
        urls = {"kernel_url": (tmp_path / "kernel").as_uri(), "initrd_url": (tmp_path / "initrd").as_uri()}
        direct = await cloud.image("d", format=DIRECT, cmdline="console=ttyS0", **urls)
        assert (raw.status.size_bytes, raw.status.virtual_size_bytes) == (1536, 1536)
        assert direct.status.initrd_sha256

    in_cloud(tmp_path, story)


def test_file_that_is_no_disk_image_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.qcow2").write_text("shopping list\n")

    async def story(cloud: Cloud) -> None:
        with pytest.raises(InvalidArgumentError, match=r"the file is a text file, .* accepted: a qcow2 file"):
            await cloud.image("x", format=QCOW2, disk_url=(tmp_path / "notes.qcow2").as_uri())
        with pytest.raises(NotFoundError):
            await cloud.vm(image="x")

    in_cloud(tmp_path, story)


def test_image_that_names_other_files_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.write_bytes(b"\0" * 4096)
    evil = qcow2(tmp_path / "evil", "-b", str(base), "-F", "raw")

    async def story(cloud: Cloud) -> None:
        with pytest.raises(InvalidArgumentError, match="names a backing file"):
            await cloud.image("x", format=QCOW2, disk_url=evil.as_uri())

    in_cloud(tmp_path, story)


def test_truncated_qcow2_is_refused_without_naming_folders(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(qcow2(tmp_path / "whole").read_bytes()[:60])

    async def story(cloud: Cloud) -> None:
        with pytest.raises(InvalidArgumentError, match="cannot be read as qcow2") as refusal:
            await cloud.image("x", format=QCOW2, disk_url=(tmp_path / "cut").as_uri())
        assert str(tmp_path) not in refusal.value.public

    in_cloud(tmp_path, story)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "format is missing; accepted: QCOW2, RAW or DIRECT"),
        ({"format": QCOW2}, "disk_url is empty; a QCOW2 image needs it"),
        ({"format": DIRECT}, "kernel_url is empty"),
        ({"format": QCOW2, "disk_url": "file:///x", "cmdline": "a"}, "cmdline has no meaning for a QCOW2 image"),
        ({"format": DIRECT, "kernel_url": "file:///x", "disk_url": "file:///y"}, "disk_url has no meaning"),
        ({"format": QCOW2, "disk_url": "http://example.org/x"}, "accepted: file:///absolute/path"),
        ({"format": QCOW2, "disk_url": "file://other/x"}, "accepted: file:///absolute/path"),
        ({"format": QCOW2, "disk_url": "file:relative"}, "accepted: file:///absolute/path"),
        ({"format": QCOW2, "disk_url": "file:///a%00b"}, "accepted: file:///absolute/path"),
        ({"format": QCOW2, "disk_url": "file:///etc/shadow"}, "none of the folders that images are registered from"),
        ({"format": QCOW2, "disk_url": "file:///no/such/file"}, "none of the folders that images are registered from"),
        ({"format": DIRECT, "kernel_url": "file:///x", "cmdline": "a\nb"}, "cmdline holds"),
    ],
)
def test_wrong_spec_is_told_what_is_accepted(spec: dict[str, object], says: str, tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        with pytest.raises(InvalidArgumentError, match=says):
            await cloud.image("x", **(spec or {"public": False, "cmdline": ""}))

    in_cloud(tmp_path, story)


def test_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "secret"
    inside.mkdir()
    qcow2(outside)
    (inside / "link").symlink_to(outside)

    async def story(cloud: Cloud) -> None:
        with pytest.raises(InvalidArgumentError, match="none of the folders"):
            await cloud.image("x", format=QCOW2, disk_url=(inside / "link").as_uri())

    in_cloud(inside, story)


def test_fifo_and_folder_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()

    async def story(cloud: Cloud) -> None:
        for name in ("fifo", "folder"):
            with pytest.raises(InvalidArgumentError, match="is no regular file"):
                await cloud.image("x", format=QCOW2, disk_url=(tmp_path / name).as_uri())
        with pytest.raises(InvalidArgumentError, match="does not exist"):
            await cloud.image("x", format=QCOW2, disk_url=(tmp_path / "nothing").as_uri())

    in_cloud(tmp_path, story)


def test_image_in_use_cannot_be_deleted(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        await cloud.image()
        await cloud.vm()
        with pytest.raises(FailedPreconditionError, match="image 'guest' is used by vm web"):
            await cloud.delete(cloud.images, "guest")

    in_cloud(tmp_path, story)


def test_only_operators_make_images_public_and_everybody_uses_them(tmp_path: Path) -> None:
    url = qcow2(tmp_path / "disk").as_uri()

    async def story(cloud: Cloud) -> None:
        with pytest.raises(PermissionDeniedError, match=r"plasmavmc\.images\.publish"):
            await cloud.image("x", format=QCOW2, disk_url=url, public=True)
        await cloud.image("x", caller=OPERATOR, project="green", format=QCOW2, disk_url=url, public=True)
        assert (await cloud.vm(image="x", caller=DEV)).status.host

    in_cloud(tmp_path, story)


def test_large_image_is_hashed_after_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_admission, "DIGEST_AT_ONCE_BYTES_MAX", 1000)
    url = qcow2(tmp_path / "disk").as_uri()

    async def story(cloud: Cloud) -> None:
        image = await cloud.image("x", format=QCOW2, disk_url=url)
        assert reason(image, "Ready") == "Reading"
        with pytest.raises(FailedPreconditionError, match="not verified yet; wait for its condition Ready"):
            await cloud.vm(image="x")
        async with asyncio.timeout(5):
            while not (await cloud.vm_or_none(image="x")):
                await cloud.settle()

    in_cloud(tmp_path, story)


def test_files_of_an_image_cannot_change(tmp_path: Path) -> None:
    async def story(cloud: Cloud) -> None:
        image = await cloud.image()
        image.spec.kernel_url = "file:///other"
        request = pb.UpdateImageRequest(project="blue", ref="guest", spec=image.spec)
        with pytest.raises(InvalidArgumentError, match=r"kernel_url of an? image cannot change"):
            await cloud.images.update(request, cloud.call())

    in_cloud(tmp_path, story)
