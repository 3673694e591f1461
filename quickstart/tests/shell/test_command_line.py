import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from quickstart.core.layout import Layout
from quickstart.shell import session


def quickstart(*arguments: object, before: Sequence[str] = (), env: Mapping[str, str] | None = None):
    """Runs the quickstart as a person would, in a process of its own."""
    command = [*before, sys.executable, "-m", "quickstart", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


def in_own_mounts(script: str):
    """Runs a script, then what follows it, where its mounts are its own."""
    return ["unshare", "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh"]


def test_help_names_every_option():
    told = quickstart("--help")
    assert told.returncode == 0
    assert all(word in told.stdout for word in ("--keep", "--stop", "--json", "--state", "--port-base", "console"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--kepp"],
        ["--port-base", "99"],
        ["--port-base", "65533"],
        ["--stop", "--keep"],
        ["--stop", "--json"],
        ["--stop", "--port-base", "8000"],
        ["--state", ""],
        ["--state", "x" * 300],
    ],
)
def test_wrong_usage_is_told_apart_from_failure(arguments: list[str]):
    told = quickstart(*arguments)
    assert told.returncode == 2
    assert "--" in told.stderr


def test_without_root_it_says_how_to_become_root(tmp_path: Path, is_root: None):
    told = quickstart("--state", tmp_path / "s", before=["unshare", "--user"])
    assert told.returncode == 1
    assert "not root" in told.stderr
    assert "sudo ./dev quickstart --state" in told.stderr
    assert not (tmp_path / "s").exists()


def test_a_busy_port_is_named(tmp_path: Path, is_root: None):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        told = quickstart("--state", tmp_path, "--port-base", port - 2)
    assert told.returncode == 1
    assert f"port {port} on 127.0.0.1 is in use" in told.stderr
    assert "--port-base" in told.stderr


def test_missing_programs_are_all_named_with_one_line_to_install_them(tmp_path: Path, is_root: None):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("ip", "nft", "nsenter", "setpriv", "unshare", "mount"):
        (programs / name).symlink_to(shutil.which(name))
    told = quickstart("--state", tmp_path / "s", env={**os.environ, "PATH": str(programs)})
    assert told.returncode == 1
    assert "qemu-system-x86_64 is missing" in told.stderr
    assert "libvirtd is missing" in told.stderr
    assert "apt-get install --no-install-recommends libvirt-daemon qemu-system-x86 qemu-utils" in told.stderr
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"lock", "logs", "quickstart.json"}


def test_a_full_state_folder_says_what_is_left_and_needed(tmp_path: Path, is_root: None):
    script = f"mount -t tmpfs -o size=100m tmpfs {tmp_path}"
    told = quickstart("--state", tmp_path / "s", before=in_own_mounts(script))
    assert told.returncode == 1
    assert "MB of disk left; 512 are needed" in told.stderr


def test_a_state_folder_without_any_room_is_told(tmp_path: Path, is_root: None):
    script = f"mount -t tmpfs -o size=4k tmpfs {tmp_path}; head -c 4096 /dev/zero > {tmp_path}/full"
    told = quickstart("--state", tmp_path / "s", before=in_own_mounts(script))
    assert told.returncode == 1
    assert "full file system" in told.stderr or "MB of disk left" in told.stderr
    assert "--state DIR" in told.stderr


def test_a_read_only_state_folder_is_told(tmp_path: Path, is_root: None):
    script = f"mount -t tmpfs -o ro tmpfs {tmp_path}"
    told = quickstart("--state", tmp_path / "s", before=in_own_mounts(script))
    assert told.returncode == 1
    assert "read-only file system" in told.stderr
    assert "--state DIR" in told.stderr


def test_a_kernel_that_refuses_is_told_with_its_reason(tmp_path: Path, is_root: None):
    # Without the capability, what the scratch namespace tries fails as it does in an unprivileged container.
    told = quickstart("--state", tmp_path, before=["setpriv", "--bounding-set", "-sys_admin"])
    assert told.returncode == 1
    assert "this kernel cannot do namespaces" in told.stderr
    assert "Try:           run it on the machine itself" in told.stderr
    assert "--privileged" in told.stderr


def test_a_service_that_dies_while_starting_is_named_with_what_it_said(tmp_path: Path, is_root: None):
    told = quickstart("--state", tmp_path, env={**os.environ, "CHAINFIRE_LISTEN__ADRESS": "127.0.0.1:1"})
    assert told.returncode == 1
    assert "Failed: services ready" in told.stderr
    assert "chainfire died" in told.stderr
    assert "did you mean 'listen.address'?" in told.stderr
    assert f"Log:           {tmp_path / 'logs' / 'chainfire.log'}" in told.stderr


def test_stop_and_console_without_a_kept_cloud_say_so(tmp_path: Path):
    for arguments in (["--stop"], ["console", "web"]):
        told = quickstart("--state", tmp_path, *arguments)
        assert told.returncode == 1
        assert f"no cloud is kept in {tmp_path}\n" in told.stderr
        assert "--keep" in told.stderr


def test_a_console_of_a_kept_cloud_that_was_killed_says_so(tmp_path: Path):
    claimed = session.claim(Layout(state=tmp_path / "s", cache=tmp_path / "cache"))
    session.make_cluster(claimed.layout, [1, 2, 3, 4, 5, 6], "tcg", Path(sys.executable))
    claimed.layout.token.write_text("token")
    told = quickstart("--state", claimed.layout.state, "console", "web")
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert "does not run any more" in told.stderr
    assert f"./dev quickstart --state {tmp_path}/s --stop" in told.stderr


def test_a_failure_in_json_is_one_object_and_still_told_on_stderr(tmp_path: Path):
    (tmp_path / "foreign").touch()
    told = quickstart("--state", tmp_path, "--json")
    assert told.returncode == 1
    report = json.loads(told.stdout)
    assert report["ok"] is False
    assert report["steps"][-1]["ok"] is False
    assert "not made by the quickstart" in told.stderr
