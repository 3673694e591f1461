from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from offline import Nix, unpacked_nix


@pytest.fixture(scope="session")
def nix() -> Iterator[Nix]:
    with unpacked_nix() as nix:
        yield nix


@pytest.fixture(scope="session")
def machines(nix: Nix) -> Any:
    """What each machine of nix/configurations.nix would get: units, settings, ports, users."""
    return nix.evaluated("files")
