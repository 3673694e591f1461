from __future__ import annotations

import inspect

import pytest
import uvloop
from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine tests on uvloop, as services run."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    uvloop.run(pyfuncitem.obj(**wanted))
    return True
