"""Nix without a network: the one that tools/nix.sh unpacks, over nix/offline-stub in nixpkgs' place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tools.workspace import ROOT

UNPACKED = ROOT / ".cache" / "nix"
CHECKOUT = f"git+file://{quote(str(ROOT))}"
"""This checkout, as a flake."""
DEADLINE_S = 300
"""Packages are copied and a cluster is started; with a quiet machine it takes a fifth of that."""


@dataclass(frozen=True, slots=True)
class Nix:
    """A Nix with a store of its own in `home`, a copy of the stand-in, and one of the flake."""

    home: Path
    deadline_s: float = DEADLINE_S

    @property
    def stub(self) -> Path:
        return self.home / "offline-stub"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(UNPACKED / "bin" / "nix"), *arguments[:1], "--offline", *arguments[1:]]
        env = {
            **os.environ,
            "NIX_HOME": str(self.home),
            # The package of the quickstart is in a store that goes with the test; its guest need not.
            "ULTRACLOUD_GUEST": str(ROOT / ".cache" / "guest"),
            "ULTRACLOUD_CLUSTER_GUEST": str(ROOT / ".cache" / "cluster-guest"),
        }
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=self.deadline_s)

    def evaluated(self, attribute: str) -> Any:
        """A value of nix/guards/offline.nix."""
        done = self.refused(attribute)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, attribute: str) -> subprocess.CompletedProcess[str]:
        where = str(ROOT / "nix" / "guards" / "offline.nix")
        return self.run("eval", "--json", "--file", where, attribute, "--argstr", "stub", str(self.stub))

    def rendered(self, table: object) -> str:
        """`table` as nix/lib/toml.nix writes it."""
        expression = (
            f"(import {path(ROOT / 'nix/lib/toml.nix')} {{ lib = import {path(self.stub / 'lib.nix')}; }}).render"
            f" (builtins.fromJSON {json.dumps(json.dumps(table))})"
        )
        done = self.run("eval", "--raw", "--impure", "--expr", expression)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def flake(self, command: str, reference: str = "", *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command on this checkout's flake, as it is in Git's index and on the disk."""
        words = ["flake", command] if command in ("check", "show", "metadata") else [command]
        options = ("--no-write-lock-file", "--override-input", "nixpkgs", f"path:{self.stub}")
        return self.run(*words, f"{CHECKOUT}{reference}", *options, *arguments)

    def lane(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`nix run ./nix/test-cluster#cluster -- ARGUMENTS`."""
        reference = f"{CHECKOUT}?dir=nix/test-cluster#cluster"
        options = ("--no-write-lock-file", "--override-input", "root/nixpkgs", f"path:{self.stub}")
        return self.run("run", reference, *options, "--", *arguments)


@contextmanager
def unpacked_nix(above: Path | None = None, deadline_s: float = DEADLINE_S) -> Iterator[Nix]:
    """Nix with its store in a new folder below `above`, or a skipped test that says why there is none."""
    if not (UNPACKED / "unpacked").exists():
        missing = UNPACKED / "missing"
        pytest.skip(f"no Nix: {missing.read_text().strip() if missing.exists() else 'tools/nix.sh has not run'}")
    with tempfile.TemporaryDirectory(prefix="nix-", dir=above) as folder:
        nix = Nix(Path(folder), deadline_s)
        shutil.copytree(ROOT / "nix" / "offline-stub", nix.stub)
        (nix.stub / "host.nix").write_text(f'{{ python = "{_interpreter(nix.home)}"; }}\n')
        try:
            yield nix
        finally:
            # What is in a store is read-only, its folders too.
            subprocess.run(["chmod", "-R", "u+w", folder], check=False)


def written(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """Files of the given names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def _interpreter(folder: Path) -> str:
    """This Python, for the first line of scripts: that ends at a blank, so one with blanks gets another name."""
    if " " not in sys.executable:
        return sys.executable
    named = folder / "python"
    named.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    named.chmod(0o755)
    return str(named)


def path(of: Path) -> str:
    """A path as Nix's language has it, whatever characters it has."""
    return f'(/. + "{of}")'
