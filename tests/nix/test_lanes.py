"""Lanes over machines of the flake, as an operator runs them."""

from __future__ import annotations

import json
import os

import pytest
from offline import Nix, unpacked_nix

from tools.workspace import ROOT

GUEST_S = 840
"""A systemd and seven processes are emulated and start twice; with a quiet machine it takes a third of that."""
REFUSED = 2


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
@pytest.mark.timeout(GUEST_S + 20)
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root")
def test_single_node_lives_under_a_systemd() -> None:
    # Units see nothing below /tmp, and their programs are in the store.
    with unpacked_nix(ROOT / ".cache", GUEST_S) as nix:
        done = nix.lane("single-node")
    if done.returncode == REFUSED:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "single-node: ok" in done.stdout


@pytest.mark.slow
def test_list_names_the_lanes_and_a_lane_is_refused_machines_of_another_kind(nix: Nix) -> None:
    listed = nix.lane("list").stdout
    assert "fresh-smoke  three new machines" in listed
    assert "single-node  one machine's units under a systemd" in listed
    refused = nix.lane("--backend", "guests", "fresh-smoke")
    assert refused.returncode == REFUSED
    assert "use --backend namespaces" in refused.stderr
    refused = nix.lane("--backend", "namespaces", "single-node")
    assert refused.returncode == REFUSED
    assert "no systemd runs in a namespace; use --backend guests" in refused.stderr
