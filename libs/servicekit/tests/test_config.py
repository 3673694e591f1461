"""Configuration: what is accepted, and the sentence for what is not."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.servicekit.config import load
from ultracloud.servicekit.errors import ConfigError
from ultracloud.servicekit.settings import Settings


class Mode(enum.Enum):
    FAST = "fast"
    SAFE = "safe"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    minutes: int = 60
    ratio: float = 0.5

    def __post_init__(self) -> None:
        if self.minutes < 1:
            raise ValueError(f"minutes is {self.minutes}; it must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    history: History = field(default_factory=History)
    admins: tuple[str, ...] = ()
    namespaces: dict[str, tuple[str, ...]] = field(default_factory=dict)
    mode: Mode = Mode.SAFE
    colour: Literal["red", "blue"] = "red"
    verbose: bool = False
    cache: Path | None = None


def loaded(tmp_path: Path, text: str, env: Mapping[str, str] | None = None) -> Config:
    path = tmp_path / "demo.toml"
    path.write_text(text)
    return load(Config, path, env or {}, "demo")


def test_a_full_file_becomes_the_dataclass(tmp_path: Path) -> None:
    text = """
    state_dir = "state"
    admins = ["a", "b"]
    mode = "fast"
    colour = "blue"
    verbose = true
    cache = "/var/cache/demo"
    [history]
    minutes = 5
    ratio = 1
    [listen]
    address = "127.0.0.1:80"
    [namespaces]
    dns = ["x"]
    """
    config = loaded(tmp_path, text)
    assert config.state_dir == tmp_path / "state"
    assert (config.admins, config.mode, config.colour, config.verbose) == (("a", "b"), Mode.FAST, "blue", True)
    assert (config.history, config.cache) == (History(minutes=5, ratio=1.0), Path("/var/cache/demo"))
    assert (config.listen.address, config.namespaces) == ("127.0.0.1:80", {"dns": ("x",)})


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    env = {
        "DEMO_LISTEN__ADDRESS": "127.0.0.1:81",
        "DEMO_ADMINS": "c, d",
        "DEMO_VERBOSE": "yes",
        "DEMO_HISTORY__RATIO": "0.25",
        "DEMO_MODE": "fast",
        "DEMONSTRATION": "not ours",
    }
    config = loaded(tmp_path, 'state_dir = "/s"\n[listen]\naddress = "127.0.0.1:80"', env)
    assert (config.listen.address, config.admins, config.verbose) == ("127.0.0.1:81", ("c", "d"), True)
    assert (config.history.ratio, config.mode) == (0.25, Mode.FAST)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'state_dir' is missing; it must be a path"),
        ('state_dri = "/s"', "unknown key 'state_dri'; did you mean 'state_dir'?"),
        ('state_dir = "/s"\n[listen]\nadress = ""', "unknown key 'listen.adress'; did you mean 'listen.address'?"),
        ('state_dir = "/s"\n[zzz]', "unknown key 'zzz'; known here: admins, cache, colour"),
        ("state_dir = 7", "'state_dir' is 7; it must be a path"),
        ('state_dir = "/s"\nverbose = 1', "'verbose' is 1; it must be true or false"),
        ('state_dir = "/s"\n[history]\nminutes = true', "'history.minutes' is True; it must be a whole number"),
        ('state_dir = "/s"\nhistory = 3', "'history' is 3; it must be a table of minutes, ratio"),
        ('state_dir = "/s"\n[history]\nminutes = 0', "[history] minutes is 0; it must be at least 1"),
        ('state_dir = "/s"\nadmins = ["a", 2]', "'admins[1]' is 2; it must be a string"),
        ('state_dir = "/s"\nmode = "slow"', "'mode' is 'slow'; it must be one of 'fast', 'safe'"),
        ('state_dir = "/s"\ncolour = "green"', "'colour' is 'green'; it must be one of 'red', 'blue'"),
        ('state_dir = "/s"\n[tls]\nkey = "k"', "[tls] tls has only key; give certificate, key and ca, or none"),
        ("state_dir = ", "is not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_right(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    assert said in str(refused.value)
    assert "demo.toml" in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DEMO_LISTEN__ADRESS", "x", "unknown DEMO_LISTEN__ADRESS; did you mean 'listen.address'?"),
        ("DEMO_VERBOSE", "maybe", "DEMO_VERBOSE is 'maybe'; it must be true or false"),
        ("DEMO_HISTORY__MINUTES", "soon", "DEMO_HISTORY__MINUTES is 'soon'; it must be a whole number"),
        ("DEMO_HISTORY", "x", "DEMO_HISTORY names a table; set one of its keys: DEMO_HISTORY__KEY"),
        ("DEMO_COLOUR__X", "x", "unknown DEMO_COLOUR__X; 'colour' is no table"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, 'state_dir = "/s"', {variable: value})
    assert said in str(refused.value)


def test_a_missing_file_a_folder_and_a_binary_are_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, said in (("none", "does not exist"), (".", "cannot be read"), ("binary", "is not TOML")):
        with pytest.raises(ConfigError, match=said):
            load(Config, tmp_path / name, {}, "demo")


@given(st.text(max_size=60))
def test_any_text_is_either_a_configuration_or_a_config_error(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "demo.toml")
        path.write_text(text, errors="surrogatepass") if text.isascii() else path.write_bytes(text.encode())
        with pytest.raises(ConfigError):
            load(Config, path, {}, "demo")
