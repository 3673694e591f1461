from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.state_dir import hold_state_dir, open_state_dir

OPEN = "import sys; from pathlib import Path; from ultracloud.servicekit.state_dir import open_state_dir; "
TRY = OPEN + "\ntry: open_state_dir('demo', Path(sys.argv[1]))\nexcept Exception as error: print(error)\n"


def tried(mounts: str, folder: Path) -> str:
    """What a process says that opens `folder` after `mounts` in its own mount namespace."""
    script = f'{mounts} && exec "$0" -c "$1" "$2"'
    command = ["unshare", "--mount", "sh", "-ec", script, sys.executable, TRY, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


def test_a_missing_folder_is_made_and_can_be_opened_again(tmp_path: Path) -> None:
    state = open_state_dir("demo", tmp_path / "a" / "b")
    state.close()
    open_state_dir("demo", tmp_path / "a" / "b").close()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["lock"]


def test_a_second_instance_is_told_who_holds_it(tmp_path: Path) -> None:
    state = open_state_dir("demo", tmp_path)
    with pytest.raises(StartError, match=r"in use by another demo \(process \d+\); stop it, or give this one its own"):
        open_state_dir("demo", tmp_path)
    state.close()


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="it is, or lies below, a file; choose another state_dir"):
        open_state_dir("demo", tmp_path / "file" / "state")


def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    said = tried(f"mount -t tmpfs -o ro tmpfs {tmp_path}", tmp_path)
    assert said == (
        f"demo: cannot use state_dir {tmp_path}: the file system is read-only; mount it writable or choose another "
        "state_dir\n"
    )


def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    said = tried(f"mount -t tmpfs -o size=16k tmpfs {tmp_path}", tmp_path)
    assert f"demo: cannot write to state_dir {tmp_path}: no space left; free some" in said


def test_a_folder_is_held_without_being_written_to(tmp_path: Path) -> None:
    open_state_dir("demo", tmp_path).close()
    before = (tmp_path / "lock").read_bytes()
    held = hold_state_dir("demo", tmp_path)
    with pytest.raises(StartError, match="in use by another demo"):
        open_state_dir("demo", tmp_path)
    held.close()
    assert (tmp_path / "lock").read_bytes() == before


def test_only_a_state_folder_can_be_held(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="is no state folder that can be read: No such file or directory"):
        hold_state_dir("demo", tmp_path)
    assert list(tmp_path.iterdir()) == []
