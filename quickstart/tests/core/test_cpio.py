import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstart.core import cpio

NAMES = st.text("abcdefgh._-", min_size=1, max_size=12).filter(lambda name: name not in (".", ".."))


def unpack(archive: bytes, folder: Path):
    subprocess.run(["busybox", "cpio", "-i", "-d"], input=archive, cwd=folder, check=True, capture_output=True)


def test_what_is_packed_unpacks_the_same(tmp_path: Path):
    entries = cpio.with_folders(
        [
            cpio.file("etc/odd", b"123", 0o640),
            cpio.link("bin/sh", "busybox"),
            cpio.file("bin/busybox", b"x" * 4097, 0o755),
        ]
    )
    unpack(cpio.render(entries), tmp_path)
    assert (tmp_path / "etc/odd").read_bytes() == b"123"
    assert (tmp_path / "etc/odd").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "bin/sh").readlink().name == "busybox"
    assert (tmp_path / "bin/busybox").stat().st_size == 4097


def test_a_folder_stands_before_what_lies_in_it():
    entries = cpio.with_folders([cpio.file("a/b/c", b""), cpio.folder("a", 0o700)])
    assert [entry.path for entry in entries] == ["a", "a/b", "a/b/c"]
    assert entries[0].mode & 0o777 == 0o700


def test_a_path_from_the_root_is_refused():
    with pytest.raises(AssertionError):
        cpio.render([cpio.file("/etc/passwd", b"")])


@given(st.dictionaries(NAMES, st.binary(max_size=40), max_size=8))
def test_every_record_starts_at_a_multiple_of_four(files: dict[str, bytes]):
    archive = cpio.render([cpio.file(name, body) for name, body in files.items()])
    assert len(archive) % 4 == 0
    at, found = 0, {}
    while True:
        assert archive[at : at + 6] == b"070701"
        size, name_size = (int(archive[at + offset : at + offset + 8], 16) for offset in (54, 94))
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        body_at = at + (110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            break
        found[name] = archive[body_at : body_at + size]
        at = (body_at + size + 3) // 4 * 4
    assert found == files
