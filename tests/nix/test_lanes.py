"""Lanes over machines of the flake, as an operator runs them."""

from __future__ import annotations

import json
import os

import pytest
from offline import Nix

from tools.workspace import ROOT


def test_the_cluster_is_pinned_to_the_flakes_nixpkgs() -> None:
    flake, lanes = (json.loads((ROOT / path).read_text()) for path in ("flake.lock", "nix/test-cluster/flake.lock"))
    assert lanes["nodes"]["nixpkgs"] == flake["nodes"]["nixpkgs"]
    assert lanes["nodes"]["root"]["inputs"]["nixpkgs"] == ["root", "nixpkgs"]


@pytest.mark.slow
@pytest.mark.timeout(320)
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root")
def test_fresh_smoke_makes_a_cloud_of_three_machines(nix: Nix) -> None:
    done = nix.lane("fresh-smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fresh-smoke: ok" in done.stdout
    # Without a libvirtd, or an image from Debian, the lane says so and goes on without VMs.
    assert "its VM was started anew" in done.stdout or "not on machines of this kind: " in done.stdout


@pytest.mark.slow
def test_list_names_the_lanes_and_guests_are_refused_with_a_reason(nix: Nix) -> None:
    assert "fresh-smoke  three new machines" in nix.lane("list").stdout
    refused = nix.lane("--backend", "guests", "fresh-smoke")
    assert refused.returncode == 2
    assert "use --backend namespaces" in refused.stderr
