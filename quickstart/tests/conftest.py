import asyncio
import inspect
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quickstart.core.stack import Program, Stack
from quickstart.shell.stack import client
from quickstart.shell.stack.client import StackClient
from quickstart.testing import ENDLESS, Launch, MakeProgram, script_program


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs tests that are coroutines, each in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture
def is_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")


@pytest.fixture
def stacks(tmp_path: Path, is_root: None) -> Iterator[Launch]:
    """Launches stacks of dummy programs; all of them are gone afterwards."""
    launched = []

    async def launch(*programs: Program, held: Iterable[int] = (), **settings: Any) -> StackClient:
        stack = Stack(control=f"test-{uuid.uuid4()}", programs=programs, private=("/run",), **settings)
        launched.append(StackClient(stack.control))
        return await client.launch(stack, tmp_path / "stack.toml", tmp_path / "supervisor.log", held)

    yield launch
    for each in launched:
        asyncio.run(each.power_cut())


@pytest.fixture
def dummy(tmp_path: Path) -> MakeProgram:
    def make(name: str, script: str = ENDLESS, **settings: Any) -> Program:
        return script_program(tmp_path, name, script, **settings)

    return make
