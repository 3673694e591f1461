"""The image cache: files named by their SHA-256, verified before they are first used, never changed afterwards.

A file comes in beside its place, is hashed while it is copied, checked, synced and renamed: a name in the cache is a
whole file. After a restart a file is verified again when it is first wanted, for the disk may have failed meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from plasmavmc.agent.core.actions import ActionFailedError, FetchFile
from plasmavmc.agent.core.desired import Sha256
from plasmavmc.agent.core.observed import CachedFile
from plasmavmc.core.disk_images import ImageRefused, judge
from plasmavmc.core.reasons import Reason
from plasmavmc.core.sentences import without_paths
from plasmavmc.shell import qemu_img

CHUNK_BYTES = 4 * 1024**2
"""Read, hash and write at once; larger gains nothing."""
_PARTIAL = ".part"


class ImageCache:
    """One folder of verified files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: dict[Sha256, CachedFile] = {}

    def load(self) -> None:
        """Look at what is there, unverified; remove what an interrupted copy left.

        Raises:
            OSError: The folder cannot be made or read.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._folder.iterdir():
            if path.name.endswith(_PARTIAL):
                path.unlink()
            else:
                status = path.stat()
                self.files[Sha256(path.name)] = CachedFile(status.st_size, int(status.st_mtime * 1000), False)

    async def fetch(self, action: FetchFile) -> None:
        """Have the file, verified; do nothing if it is.

        Raises:
            ActionFailedError: It cannot be read, is not what was registered, or is no image we open; nothing stays.
        """
        sha256 = action.file.sha256
        known = self.files.get(sha256)
        if known is not None and known.is_verified:
            return
        path = self._folder / sha256
        if known is None or await asyncio.to_thread(_digest_or_none, path) != sha256:
            self.files.pop(sha256, None)
            await asyncio.to_thread(_copy, _source(action.file.url), path, sha256)
        if action.format:
            await self._inspect(path, action.format)
        self.files[sha256] = CachedFile(await asyncio.to_thread(_size, path), _now_ms(), True)

    def touch(self, sha256: Sha256) -> None:
        """The file was used now."""
        known = self.files.get(sha256)
        if known is not None:
            self.files[sha256] = CachedFile(known.size_bytes, _now_ms(), known.is_verified)

    def drop(self, sha256: Sha256) -> None:
        """Remove a file."""
        (self._folder / sha256).unlink(missing_ok=True)
        self.files.pop(sha256, None)

    async def _inspect(self, path: Path, file_format: str) -> None:
        """Refuse what QEMU must not open."""
        try:
            judged = judge(await qemu_img.inspect(path, file_format), file_format)
        except qemu_img.QemuImgError as error:
            judged = ImageRefused(f"qemu-img cannot read it as {file_format}: {without_paths(str(error), path)}")
        if isinstance(judged, ImageRefused):
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise ActionFailedError(Reason.IMAGE_REFUSED, f"the image is refused: {judged.says}", str(path))


def _source(url: str) -> Path:
    """The file a URL names."""
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise ActionFailedError(Reason.IMAGE_MISSING, "the image's place is no file on this host", url)
    return Path(unquote(parts.path))


def _digest_or_none(path: Path) -> str | None:
    """SHA-256 of a file, None if it is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _size(path: Path) -> int:
    return path.stat().st_size


def _copy(source: Path, path: Path, sha256: Sha256) -> None:
    """Copy `source` to `path`, if its bytes are those of `sha256`."""
    partial = path.with_name(path.name + _PARTIAL)
    try:
        with source.open("rb") as reader, partial.open("wb") as writer:
            digest = hashlib.sha256()
            while chunk := reader.read(CHUNK_BYTES):
                digest.update(chunk)
                writer.write(chunk)
            if digest.hexdigest() != sha256:
                raise ActionFailedError(
                    Reason.IMAGE_CORRUPT,
                    "the image's file is not what was registered; register it again",
                    f"{source} has {digest.hexdigest()}, not {sha256}",
                )
            writer.flush()
            os.fsync(writer.fileno())
        partial.chmod(0o400)
        partial.replace(path)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise ActionFailedError(Reason.IMAGE_MISSING, "the image's file is not there any more", str(error)) from error
    except OSError as error:
        public = f"the image cannot be copied to the host: {error.strerror}"
        raise ActionFailedError(Reason.IMAGE_MISSING, public, str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _now_ms() -> int:
    """Wall clock: the order of use must survive a restart."""
    return int(time.time() * 1000)
