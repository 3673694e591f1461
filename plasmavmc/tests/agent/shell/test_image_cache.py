"""The image cache on a real disk."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from pathlib import Path

import pytest

from plasmavmc.agent.core.actions import ActionFailedError, FetchFile
from plasmavmc.agent.core.desired import Sha256, SourceFile
from plasmavmc.agent.shell.image_cache import ImageCache
from plasmavmc.core.reasons import Reason


def fetch_of(source: Path, file_format: str = "") -> FetchFile:
    return FetchFile(SourceFile(source.as_uri(), Sha256(hashlib.sha256(source.read_bytes()).hexdigest())), file_format)


def cache_in(folder: Path) -> ImageCache:
    cache = ImageCache(folder / "images")
    cache.load()
    return cache


def test_file_is_copied_verified_and_made_unchangeable(tmp_path: Path) -> None:
    source = tmp_path / "a source with #?% in its name"
    source.write_bytes(b"x" * 10_000_000)
    cache, action = cache_in(tmp_path), fetch_of(source)
    asyncio.run(cache.fetch(action))
    copy = tmp_path / "images" / action.file.sha256
    assert copy.read_bytes() == source.read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o400
    assert cache.files[action.file.sha256].is_verified


def test_copy_outlives_its_source(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    action = fetch_of(source)
    asyncio.run(cache_in(tmp_path).fetch(action))
    source.unlink()
    again = cache_in(tmp_path)
    assert not again.files[action.file.sha256].is_verified
    asyncio.run(again.fetch(action))
    assert again.files[action.file.sha256].is_verified


def test_copy_that_rotted_is_fetched_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    action = fetch_of(source)
    asyncio.run(cache_in(tmp_path).fetch(action))
    copy = tmp_path / "images" / action.file.sha256
    copy.chmod(0o600)
    copy.write_bytes(b"c0ntent")
    asyncio.run(cache_in(tmp_path).fetch(action))
    assert copy.read_bytes() == b"content"


def test_interrupted_copy_is_removed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / ("a" * 64 + ".part")).write_bytes(b"half")
    cache = cache_in(tmp_path)
    assert cache.files == {}
    assert list((tmp_path / "images").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.org/image", Reason.IMAGE_MISSING),
        ("file://elsewhere/image", Reason.IMAGE_MISSING),
        ("file:///no/such/file", Reason.IMAGE_MISSING),
        ("file:///etc", Reason.IMAGE_MISSING),
        ("file:///etc/hostname", Reason.IMAGE_CORRUPT),
    ],
)
def test_what_cannot_be_had_says_why_and_leaves_nothing(url: str, reason: Reason, tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    with pytest.raises(ActionFailedError) as failure:
        asyncio.run(cache.fetch(FetchFile(SourceFile(url, Sha256("a" * 64)), "")))
    assert failure.value.reason is reason
    assert "/etc" not in failure.value.public
    assert list((tmp_path / "images").iterdir()) == []


def test_disk_of_another_format_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", str(source), "1M"], check=True)
    with pytest.raises(ActionFailedError, match="the image is refused"):
        asyncio.run(cache_in(tmp_path).fetch(fetch_of(source, "qcow2")))
    assert list((tmp_path / "images").iterdir()) == []
