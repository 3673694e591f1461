"""docs/nixos.md is right to the letter: its flake, its other configurations, and the programs that it names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from offline import CHECKOUT, Nix

from tools.workspace import ROOT

PAGE = (ROOT / "docs" / "nixos.md").read_text()
BLOCKS = re.findall(r"```nix\n(.*?)```", PAGE, re.DOTALL)
COPY = "git+file:///srv/ultracloud"
SYSTEM = "system.build.toplevel.drvPath"


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """The folder of somebody who typed the first block, on a machine as the installer leaves it."""
    hardware = '{ boot.loader.grub.enable = false; fileSystems."/" = { device = "/dev/vda1"; fsType = "ext4"; }; }'
    (tmp_path / "hardware-configuration.nix").write_text(hardware)
    (tmp_path / "flake.nix").write_text(BLOCKS[0].replace(COPY, CHECKOUT))
    return tmp_path


def evaluated(nix: Nix, user: Path, attribute: str, *arguments: str) -> str:
    options = ("--no-write-lock-file", "--override-input", "nixpkgs", f"path:{nix.stub}")
    done = nix.run("eval", "--raw", f"path:{user}#nixosConfigurations.{attribute}", *options, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_module_and_three_options_are_a_cloud(nix: Nix, user: Path) -> None:
    assert evaluated(nix, user, f"box.config.{SYSTEM}").endswith("-nixos-system-box.drv")


def test_three_machines_and_more_settings_take_the_same_text(nix: Nix, user: Path) -> None:
    flake = user / "flake.nix"
    own = re.search(r" {8}\{\n.*?\n {8}\}\n", flake.read_text(), re.DOTALL)
    assert own
    modules = f'{{ networking.hostName = "node01"; }} {{ {BLOCKS[1]} {BLOCKS[2]} }}\n'
    flake.write_text(flake.read_text().replace(own[0], modules))
    assert evaluated(nix, user, f"box.config.{SYSTEM}").endswith("-nixos-system-node01.drv")
    found = re.search(r"\.#nixosConfigurations\.\$node\.(\S+) --apply '(.*?)'", PAGE)
    assert found
    attribute, function = found.groups()
    wanted = evaluated(nix, user, f"box.{attribute}", "--apply", function).split(" ")
    assert "iam:iam:service/iam" in wanted
    assert all(one.count(":") == 2 for one in wanted)


def test_the_programs_that_it_names_are_in_the_flake(nix: Nix) -> None:
    named = set(re.findall(rf"nix run {re.escape(COPY)}#([\w-]+)", PAGE))
    shown = json.loads(nix.flake("show", "", "--json").stdout)
    assert named == {"single-node-quickstart", "pki"}
    assert named <= shown["apps"]["x86_64-linux"].keys() | shown["packages"]["x86_64-linux"].keys()
    assert "nix run .#" not in PAGE, "the reader's own flake has no programs of ours"
