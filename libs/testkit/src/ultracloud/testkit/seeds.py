"""Seeds: one number makes a whole random test, so one number makes it fail again.

    @pytest.mark.parametrize("seed", seeds(50))
    def test_it_survives(seed: int) -> None:
        random = Random(seed)

The failing seed stands in the test's name. ``SIM_SEEDS=17`` runs that one, ``SIM_SEEDS=1000`` with a ``-`` in front
(``SIM_SEEDS=-1000``) runs as many.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

VARIABLE = "SIM_SEEDS"


def seeds(count: int) -> Sequence[int]:
    """Seeds 0 to `count` - 1, or what the environment asks for."""
    asked = os.environ.get(VARIABLE, "")
    if asked.startswith("-"):
        return range(int(asked[1:]))
    return [int(word) for word in asked.split(",")] if asked else range(count)
