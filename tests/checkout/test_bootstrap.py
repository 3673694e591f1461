"""A checkout's entry point, run as a newcomer runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tools.workspace import MEMBERS, ROOT

PLAIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}


def dev(*arguments: str, path: Path = ROOT / "dev") -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(path), *arguments], env=PLAIN, capture_output=True, text=True, check=False, timeout=60)


def test_dev_alone_lists_every_command() -> None:
    listed = dev().stdout
    assert all(
        f"\n  {name} " in listed for name in ("quickstart", "test", "check", "run", "gen", "lock", "bench", "sim")
    )


def test_dev_works_through_a_link_with_a_space(tmp_path: Path) -> None:
    link = tmp_path / "a folder"
    link.symlink_to(ROOT)
    assert dev(path=link / "dev").stdout == dev().stdout


def test_unknown_command_names_the_known_ones() -> None:
    answer = dev("quikstart")
    assert answer.returncode == 2
    assert "quickstart" in answer.stderr


def test_unknown_member_names_the_known_ones() -> None:
    answer = dev("test", "--member", "nosuch")
    assert answer.returncode == 2
    assert all(member.name in answer.stderr for member in MEMBERS)


def test_run_gives_the_exit_code_of_what_it_ran() -> None:
    assert dev("run", "sh", "-c", "exit 7").returncode == 7


def test_paths_are_meant_from_where_the_person_stands(tmp_path: Path) -> None:
    command = [str(ROOT / "dev"), "run", "pwd"]
    answer = subprocess.run(command, cwd=tmp_path, env=PLAIN, capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout == f"{tmp_path}\n"


def test_every_member_folder_is_installed_by_bootstrap() -> None:
    function = 'eval "$(sed -n "/^members() {/,/^}/p" tools/bootstrap.sh)"; members'
    answer = subprocess.run(["sh", "-c", function], cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted(answer.stdout.split()) == sorted(str(member.folder.relative_to(ROOT)) for member in MEMBERS)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_without_root_the_missing_packages_are_one_line_to_run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder)
        shutil.copytree(ROOT / "tools", checkout / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        query = checkout / "dpkg-query"
        query.write_text("#!/bin/sh\nexit 1\n")
        query.chmod(0o755)
        checkout.chmod(0o755)
        answer = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", "sh", f"{checkout}/tools/bootstrap.sh", "gen"],
            env={"PATH": f"{checkout}:{PLAIN['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert answer.returncode == 1
    assert "sudo sh -c 'apt-get update && apt-get install --yes --no-install-recommends" in answer.stderr


ENVIRONMENT = ("pyproject.toml", "requirements.lock", "requirements-build.lock")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_an_environment_of_somebody_else_is_neither_used_nor_removed() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder)
        for name in (*("tools/bootstrap.sh", "tools/packages.debian"), *ENVIRONMENT):
            (checkout / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
        for member in MEMBERS:
            (checkout / member.folder.relative_to(ROOT)).mkdir(parents=True)
            (checkout / member.folder.relative_to(ROOT) / "pyproject.toml").touch()
        (checkout / ".venv" / "bin").mkdir(parents=True)
        query = checkout / "dpkg-query"
        query.write_text('#!/bin/sh\nsed -n "s/^[a-z]* /installed /p" "${0%/*}/tools/packages.debian"\n')
        query.chmod(0o755)
        checkout.chmod(0o755)
        answer = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", "sh", f"{checkout}/tools/bootstrap.sh", "gen"],
            env={"PATH": f"{checkout}:{PLAIN['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (checkout / ".venv" / "bin").is_dir()
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 2, answer.stderr
    assert "Run it as the owner, root, with sudo" in answer.stderr
