"""Starting costs what it may: what is imported is counted, and what must not be is named."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from clouds import Person

FORBIDDEN = {
    "asyncio": "an event loop for one request",
    "cryptography": "only narrowing tokens needs it",
    "google": "the API is JSON here",
    "grpc": "the API is JSON here",
    "httpx": "http.client does",
    "difflib": "core.suggest does",
    "importlib.metadata": "the version stands in the package",
    "logging": "the wire log is lines",
    "requests": "http.client does",
    "tomllib": "only a configuration needs it",
    "ultracloud.api": "the API is JSON here",
    "ultracloud.base": "only narrowing tokens needs it",
    "ultracloud.servicekit": "services need it",
    "urllib.request": "http.client does",
    "yaml": "only YAML needs it",
}
OF_CONTEXTS = {"tomllib"}
OF_SHORT_FLAGS = {"difflib"}
"""Click looks for words near `-p` before it knows that it is short."""
OF_THE_MACHINE = {"sitecustomize", "apport_python_hook"}
"""What a distribution has Python import at each start."""
MODULES_OF_HELP_MAX = 132
"""Of which Click and what it needs are 62, and the interpreter's own 33."""
MODULES_OF_GET_MAX = 200
"""The rest is http.client, ssl, json and what they need."""
CPU_OF_HELP_S, CPU_OF_GET_S = 0.100, 0.200
RUNS_MAX = 20
PROBE = """
import sys
sys.argv = ["uc", *sys.argv[1:]]
from ultracloud.cli.__main__ import run
import os
devnull = os.open(os.devnull, os.O_WRONLY)
os.dup2(devnull, 1)
code = run(sys.argv[1:])
sys.stderr.write(chr(10).join(["", "MODULES", *sorted(sys.modules)]))
"""


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    config = str(home / "xdg_config_home")
    return {**kept, "HOME": str(home), "XDG_CONFIG_HOME": config, **more}


def imported(home: Path, *words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.partition("\nMODULES\n")[2].split()) - OF_THE_MACHINE


def cpu_s(home: Path, budget_s: float, *words: str) -> float:
    """The least of some runs, until one is within the budget: other work on the machine only adds."""
    program = [sys.executable, "-m", "ultracloud.cli", *words]
    least = 9.0
    for _ in range(RUNS_MAX):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(program, env=environment(home), cwd=home, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if least < budget_s:
            break
    return least


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_help_does_not_import(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = help_modules(tmp_path_factory)
    assert not {module for module in found if module == name or module.startswith(name + ".")}, FORBIDDEN[name]


def help_modules(factory: pytest.TempPathFactory, cache: dict[str, set[str]] = {}) -> set[str]:  # noqa: B006 - once
    if "--help" not in cache:
        cache["--help"] = imported(factory.mktemp("home"), "--help")
    return cache["--help"]


def test_help_imports_few_modules(tmp_path: Path) -> None:
    found = imported(tmp_path, "--help")
    assert len(found) <= MODULES_OF_HELP_MAX, sorted(found)
    assert not {"ssl", "http.client", "dataclasses", "tempfile", "random"} & found


def test_get_imports_few_modules(dev: Person) -> None:
    dev.ok("vpc", "create", "small", "--cidr", "10.0.0.0/16")
    found = imported(dev.home, "vpc", "get", "small")
    assert len(found) <= MODULES_OF_GET_MAX, sorted(found)
    for name in FORBIDDEN.keys() - OF_SHORT_FLAGS - OF_CONTEXTS:
        assert not {module for module in found if module == name or module.startswith(name + ".")}, FORBIDDEN[name]


def test_help_takes_less_than_its_budget(tmp_path: Path) -> None:
    assert cpu_s(tmp_path, CPU_OF_HELP_S, "--help") < CPU_OF_HELP_S


def test_get_takes_less_than_its_budget(dev: Person) -> None:
    """Over TLS, from the real gateway."""
    dev.ok("vpc", "create", "quick", "--cidr", "10.0.0.0/16")
    assert cpu_s(dev.home, CPU_OF_GET_S, "vpc", "get", "quick") < CPU_OF_GET_S
