"""Packages over nixpkgs: what can be told without it."""

from __future__ import annotations

import base64
import re

from offline import Nix

from tools.workspace import MEMBERS, ROOT

PACKAGES = (ROOT / "nix" / "packages.nix").read_text()


def test_wheels_are_those_of_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    wheels = re.findall(
        r'(?:pname = |rustWheel )"(\w+)";?\s+(?:version = )?"([\d.]+)"[^{}]*?"sha256-([^"]+)"', PACKAGES
    )
    assert len(wheels) == 4
    for name, version, digest in wheels:
        entry = lock.partition(f"\n{name}=={version} ")[2].partition("\n\n")[0]
        assert base64.b64decode(digest).hex() in entry.partition("==")[0], name


def test_protobufs_runtime_is_as_new_as_what_was_generated() -> None:
    generated = (ROOT / "api/src/ultracloud/api/iam/v1/iam_pb2.py").read_text()
    version = re.search(r"# Protobuf Python Version: ([\d.]+)", generated)
    runtime = re.search(r'pname = "protobuf";\s+version = "([\d.]+)"', PACKAGES)
    assert version
    assert runtime
    assert [*map(int, runtime[1].split("."))] >= [*map(int, version[1].split("."))]


def test_every_member_is_a_package(nix: Nix) -> None:
    packaged = set(nix.evaluated("packages"))
    assert {member.name for member in MEMBERS} <= packaged
