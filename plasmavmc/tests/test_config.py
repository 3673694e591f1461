"""The server's command line with configurations that are wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def check(config: Path, command: str = "check-config") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "plasmavmc", command, "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'state_dir' is missing"),
        ('state_dir = "s"\nimage_dir = ["/x"]', "did you mean 'image_dirs'?"),
        ('state_dir = "s"\nimage_dirs = "/x"', "it must be a list"),
        ('state_dir = "s"\n[listen]\naddress = "nowhere"', "accepted: host:port"),
        ("not toml", "is not TOML"),
    ],
)
def test_wrong_configuration_is_one_clear_sentence(text: str, says: str, tmp_path: Path) -> None:
    config = tmp_path / "plasmavmc.toml"
    config.write_text(text)
    done = check(config)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_server_without_peers_says_which_one_to_set(tmp_path: Path) -> None:
    config = tmp_path / "plasmavmc.toml"
    config.write_text(f'state_dir = "{tmp_path}/state"')
    done = check(config, "serve")
    assert done.returncode == 2
    assert "peers.prismnet is empty; set it to where prismnet listens" in done.stderr


def test_good_configuration_is_ok(tmp_path: Path) -> None:
    config = tmp_path / "plasmavmc.toml"
    config.write_text(f'state_dir = "{tmp_path}/state"\nimage_dirs = ["images"]')
    assert check(config).returncode == 0
