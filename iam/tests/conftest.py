import asyncio
import logging
from pathlib import Path

import pytest

from iam.testing import Live, Scenario, running_iam
from ultracloud.servicekit.store import MemoryStore


@pytest.fixture
def live(tmp_path: Path) -> Live:
    """Plays a scenario against an iam over an empty store, as an operator who owns everything."""

    async def play(scenario: Scenario) -> None:
        async with running_iam(tmp_path, MemoryStore()) as iam, iam.clients() as ada:
            await scenario(iam, ada)

    return lambda scenario: asyncio.run(asyncio.wait_for(play(scenario), 20))


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("audit").setLevel(logging.WARNING)
