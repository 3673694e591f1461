import os
import stat
from pathlib import Path

import pytest

from iam.errors import RootKeyError
from iam.shell.root_key import create_root_key, load_root_key, load_root_keys


def test_a_new_key_is_for_its_owner_alone_and_is_read_back(tmp_path: Path):
    path = tmp_path / "root.key"
    key = create_root_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key) == 32
    assert load_root_key(path) == key
    assert path.read_text() == f"{key.hex()}\n"


def test_there_may_be_no_file_yet(tmp_path: Path):
    assert load_root_key(tmp_path / "root.key") is None


def test_a_key_is_never_replaced(tmp_path: Path):
    path = tmp_path / "root.key"
    key = create_root_key(path)
    with pytest.raises(RootKeyError, match="File exists"):
        create_root_key(path)
    assert load_root_key(path) == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_file_that_others_can_reach_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int):
    path = tmp_path / "root.key"
    create_root_key(path)
    path.chmod(mode)
    with pytest.raises(RootKeyError, match=f"open to others \\(mode 0{mode:o}\\); run chmod 600"):
        load_root_key(path)


@pytest.mark.parametrize("text", [b"", b"ab" * 31, b"ab" * 33, b"zz" * 32, b"\xff" * 64, b"ab" * 5000])
def test_what_is_no_key_is_refused_and_says_what_is_accepted(tmp_path: Path, text: bytes):
    path = tmp_path / "root.key"
    path.touch(mode=0o600)
    path.write_bytes(text)
    with pytest.raises(RootKeyError, match="must hold 64 hexadecimal digits"):
        load_root_key(path)


def test_a_folder_or_a_pipe_is_no_key(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(RootKeyError, match="is no file"):
            load_root_key(path)


def test_somebody_elses_key_is_refused(tmp_path: Path):
    path = tmp_path / "root.key"
    create_root_key(path)
    os.chown(path, 1234, 1234)
    with pytest.raises(RootKeyError, match="belongs to user 1234; run chown 0"):
        load_root_key(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(RootKeyError, match="nowhere/root\\.key cannot be written: No such file"):
        create_root_key(tmp_path / "nowhere" / "root.key")


def test_the_first_line_seals_and_each_opens(tmp_path: Path):
    path = tmp_path / "root.key"
    path.touch(mode=0o600)
    path.write_text(f"{'ab' * 32}\n{'cd' * 32}\n")
    assert load_root_keys(path) == (b"\xab" * 32, b"\xcd" * 32)
    assert load_root_key(path) == b"\xab" * 32
    path.write_text(f"{'ab' * 32}\n" * 5)
    with pytest.raises(RootKeyError, match="must hold"):
        load_root_keys(path)


def test_a_credential_of_systemd_is_taken_from_where_it_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    named = Path("/etc/ultracloud/credential:root.key")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(RootKeyError, match=r"LoadCredentialEncrypted=root\.key"):
        load_root_key(named)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_root_key(named) is None
    with pytest.raises(RootKeyError, match="systemd's to give"):
        create_root_key(named)
    key = create_root_key(tmp_path / "root.key")
    (tmp_path / "root.key").chmod(0o440)
    assert load_root_key(named) == key
    (tmp_path / "root.key").chmod(0o444)
    with pytest.raises(RootKeyError, match="open to others"):
        load_root_key(named)
