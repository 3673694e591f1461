"""Certificates of a machine, as its first start or its operator makes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.workspace import ROOT
from ultracloud.servicekit import pki


def made(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "nix" / "make_pki.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_each_process_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    assert made("--folder", str(tmp_path), "iam:root:service/iam", "operators:root:operator/ada").returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"authority", "iam", "operators"}
    assert {path.name for path in (tmp_path / "iam").iterdir()} == {"service-iam.crt", "service-iam.key", "ca.crt"}
    assert (tmp_path / "iam").stat().st_mode & 0o777 == 0o700
    assert pki.load_ca(tmp_path / "authority")


def test_what_is_there_stays(tmp_path: Path) -> None:
    made("--folder", str(tmp_path), "iam:root:service/iam")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    made("--folder", str(tmp_path), "iam:root:service/iam", "flaredb:root:service/flaredb")
    assert all(path.read_bytes() == content for path, content in before.items())
    assert (tmp_path / "flaredb" / "service-flaredb.key").exists()


def test_machines_take_one_authority(tmp_path: Path) -> None:
    authority = str(tmp_path / "authority")
    for machine in ("one", "two"):
        made("--authority", authority, "--folder", str(tmp_path / machine), "iam:root:service/iam")
    assert (tmp_path / "one/iam/ca.crt").read_bytes() == (tmp_path / "two/iam/ca.crt").read_bytes()
    assert not (tmp_path / "one" / "authority").exists()


def test_a_user_of_another_machine_is_named(tmp_path: Path) -> None:
    done = made("--folder", str(tmp_path), "iam:no-such-user:service/iam")
    assert done.returncode == 0
    assert "no user no-such-user on this machine" in done.stderr
