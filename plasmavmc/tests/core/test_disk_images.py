"""What qemu-img tells of a file, judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasmavmc.core.disk_images import ImageRefused, ImageSize, judge
from plasmavmc.core.sentences import shown_path, without_paths

GOOD = {"format": "qcow2", "virtual-size": 1024, "format-specific": {"type": "qcow2", "data": {"corrupt": False}}}


def test_good_image_gives_its_size() -> None:
    assert judge(json.dumps(GOOD).encode(), "qcow2") == ImageSize(1024)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "vmdk"}, "it is 'vmdk', not qcow2"),
        ({"backing-filename": "/etc/shadow"}, "backing file"),
        ({"full-backing-filename": "json:{}"}, "backing file"),
        ({"format-specific": {"data": {"data-file": "/dev/sda"}}}, "external data file"),
        ({"format-specific": {"data": {"corrupt": True}}}, "corrupt"),
        ({"encrypted": True}, "encrypted"),
        ({"virtual-size": 0}, "virtual size of 0 bytes"),
        ({"virtual-size": 2**63}, "virtual size"),
        ({"virtual-size": "big"}, "told no virtual size"),
    ],
)
def test_bad_image_is_refused_without_naming_what_it_points_to(change: dict[str, object], says: str) -> None:
    refusal = judge(json.dumps(GOOD | change).encode(), "qcow2")
    assert isinstance(refusal, ImageRefused)
    assert says in refusal.says
    assert "/etc/shadow" not in refusal.says


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda value: json.dumps(value).encode()))
def test_any_output_is_judged(raw: bytes) -> None:
    assert isinstance(judge(raw, "raw"), ImageRefused)


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("cannot open '/var/lib/x y': denied", "cannot open '(path) y': denied"),
        ("no /dev/net/tun, 1/2 done", "no (path), 1/2 done"),
        ("plain", "plain"),
    ],
)
def test_paths_are_taken_out_of_sentences(message: str, kept: str) -> None:
    assert without_paths(message) == kept


def test_a_known_path_is_taken_out_whatever_is_in_it() -> None:
    path = Path('/srv/a b\'s "images"/x.qcow2')
    assert without_paths(f"Could not open '{path}': too short", path) == "Could not open '(path)': too short"


def test_of_a_long_path_the_end_is_shown() -> None:
    assert shown_path(Path("/a/b")) == "'/a/b'"
    long = shown_path(Path("/" + "x" * 300 + "/disk.raw"))
    assert long.startswith("'...x")
    assert long.endswith("/disk.raw'")
