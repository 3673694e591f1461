"""Guards hold of every canonical profile, and fail for configurations that are wrong in one way."""

from __future__ import annotations

import functools
import re
import time
from typing import Any

import pytest
from offline import Nix

from tools.workspace import ROOT

GUARD_S_MAX = 10.0
"""An operator waits for it before each activation."""
MUTANTS = re.findall(r"^  ([a-z-]+) = \{$", (ROOT / "nix/guards/mutants.nix").read_text(), re.MULTILINE)


@pytest.mark.parametrize("guard", ["canonicalProfileEval", "portableControlPlane"])
def test_a_guard_holds_and_takes_less_than_ten_seconds(nix: Nix, guard: str) -> None:
    started = time.monotonic()
    assert nix.evaluated(f"guards.{guard}") is True
    assert time.monotonic() - started < GUARD_S_MAX


@functools.cache
def words(nix: Nix) -> Any:
    return nix.evaluated("says")


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_configuration_is_refused_in_words_that_help(nix: Nix, mutant: str) -> None:
    done = nix.refused(f"refused.{mutant}")
    assert done.returncode != 0
    missing = [word for word in words(nix)[mutant] if word not in done.stderr]
    assert not missing, done.stderr


def test_every_mutant_is_tried(nix: Nix) -> None:
    assert set(words(nix)) == set(MUTANTS)


@pytest.mark.parametrize(
    "misfit", ["different-members", "two-at-one-port", "silent-unit", "unwatched-unit", "two-iams"]
)
def test_machines_that_do_not_fit_each_other_are_refused(nix: Nix, misfit: str) -> None:
    done = nix.refused(f"misfits.{misfit}.refused")
    assert done.returncode != 0
    assert nix.evaluated(f"misfits.{misfit}.says") in done.stderr


def test_each_services_module_stands_alone(nix: Nix) -> None:
    failed = nix.evaluated("alone")
    assert {"chainfire", "flaredb", "iam", "prismnet", "plasmavmc", "apigateway"} == set(failed)
    assert not any(failed.values()), failed
