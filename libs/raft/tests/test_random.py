from __future__ import annotations

import pytest
from world import World

from ultracloud.testkit.seeds import seeds


@pytest.mark.parametrize("seed", seeds(300))
def test_a_cluster_keeps_the_laws_and_heals(seed: int) -> None:
    World(seed).run()
