"""docs/component-matrix.md is what the modules say."""

from __future__ import annotations

from offline import Nix

from tools.workspace import ROOT


def test_the_matrix_is_made_of_the_modules(nix: Nix) -> None:
    page = ROOT / "docs" / "component-matrix.md"
    assert page.read_text() == nix.evaluated("matrix"), "run what the page's second line says, and write it to the page"
