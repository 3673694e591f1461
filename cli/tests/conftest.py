"""A person's machine: a home of their own, and a cloud behind a real gateway."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from clouds import ADA, Cloud, Person, serving


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with serving(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    for name in ("SERVER", "TOKEN", "TOKEN_FILE", "CONTEXT", "PROJECT", "ORG", "CA", "OUTPUT"):
        monkeypatch.delenv(f"ULTRACLOUD_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def uc(home: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Person:
    return Person(home, capfdbinary)


@pytest.fixture
def dev(uc: Person, cloud: Cloud) -> Person:
    """Ada of acme, logged in, who means the project blue."""
    uc.logs_in(cloud, ADA, "-p", "blue", "--org", "acme")
    return uc
