import asyncio
import inspect
import os
import uuid

import pytest

from quickstart.core.stack import Program, Stack
from quickstart.shell.stack import client


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs tests that are coroutines, each in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture
def is_root():
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")


@pytest.fixture
def stacks(tmp_path, is_root):
    """Launches stacks of dummy programs; all of them are gone afterwards."""
    launched = []

    async def launch(*programs, held=(), **settings):
        stack = Stack(control=f"test-{uuid.uuid4()}", programs=programs, private=("/run",), **settings)
        launched.append(client.StackClient(stack.control))
        return await client.launch(stack, tmp_path / "stack.toml", tmp_path / "supervisor.log", held)

    yield launch
    for each in launched:
        asyncio.run(each.power_cut())


@pytest.fixture
def dummy(tmp_path):
    """Makes a program that runs a shell script; it is ready when the script says so."""

    def make(name, script="echo ready $0; exec sleep 1000", **settings):
        return Program(name=name, arguments=("sh", "-c", script, name), log=str(tmp_path / f"{name}.log"), **settings)

    return make
