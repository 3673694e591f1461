"""The flake, with the stand-in for nixpkgs: what Nix itself says of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from offline import CHECKOUT, Nix

from quickstart.shell.preflight import PROGRAMS
from tools.workspace import ROOT

LOCK = json.loads((ROOT / "flake.lock").read_text())


@pytest.mark.parametrize("folder", ["", "?dir=nix/test-cluster"])
def test_the_lock_is_of_the_flakes_inputs(nix: Nix, folder: str) -> None:
    done = nix.run("flake", "metadata", "--json", "--no-update-lock-file", f"{CHECKOUT}{folder}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["locks"]["nodes"]["nixpkgs"] == LOCK["nodes"]["nixpkgs"]


def test_it_shows_what_operators_take_and_names_what_it_skips(nix: Nix) -> None:
    # What Nix remembers of an evaluation has not what was said in it.
    done = nix.flake("show", "", "--json", "--no-eval-cache")
    assert done.returncode == 0, done.stderr
    assert re.search(r"skipped: nixosConfigurations\.netboot-all-in-one .*has not", done.stderr)
    shown = outputs(json.loads(done.stdout))
    assert "nixosModules.default" in shown
    assert {"nixosConfigurations.single-node-quickstart", "nixosConfigurations.node03"} <= shown
    assert {"apps.x86_64-linux.single-node-quickstart", "apps.x86_64-linux.all-in-one-quickstart"} <= shown
    assert {"checks.x86_64-linux.canonical-profile-build-guards", "devShells.x86_64-linux.default"} <= shown


def outputs(shown: Any, path: str = "") -> set[str]:
    """Dotted names of the leaves of `nix flake show`."""
    if not isinstance(shown, dict) or "type" in shown:
        return {path}
    return set().union(*(outputs(below, f"{path}.{name}".lstrip(".")) for name, below in shown.items()))


def test_the_quickstart_runs_from_the_flake(nix: Nix) -> None:
    done = nix.flake("run", "#single-node-quickstart", "--", "--help")
    assert done.returncode == 0, done.stderr
    assert "--keep" in done.stdout


def test_the_quickstart_brings_the_programs_it_asks_for(nix: Nix) -> None:
    done = nix.flake("build", "#quickstart-command", "--no-link", "--print-out-paths")
    assert done.returncode == 0, done.stderr
    script = Path(done.stdout.strip(), "bin", "single-node-quickstart").read_text()
    folders = re.search(r"export PATH=(\S+):\$PATH", script)
    assert folders
    assert set(PROGRAMS) <= {program.name for folder in folders[1].split(":") for program in Path(folder).iterdir()}


@pytest.mark.slow
@pytest.mark.timeout(320)
def test_flake_check_builds_every_guard(nix: Nix) -> None:
    done = nix.flake("check")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(320)
def test_what_types_do_not_tell_is_refused_by_the_service_when_it_is_built(nix: Nix) -> None:
    where = ("--file", str(ROOT / "nix" / "guards" / "offline.nix"), "--argstr", "stub", str(nix.stub))
    done = nix.run("build", "--no-link", *where, "outOfRange")
    assert done.returncode != 0
    assert "quota_mib is 0.0; accepted: 0.015625 to 65536" in done.stderr
