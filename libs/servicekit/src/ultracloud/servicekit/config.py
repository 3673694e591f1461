"""Configuration: one frozen dataclass, filled from a TOML file and then from the environment.

The dataclass is the schema: a field is a key, a nested dataclass is a table, a field without default is required. What
is not in it is refused with the nearest name that is. `CHAINFIRE_LISTEN__ADDRESS` overrides `[listen] address`.

Source: TOML 1.0; PEP 681 is not used, so the schema is plain Python.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.servicekit.errors import ConfigError

ConfigT = TypeVar("ConfigT")

CONFIG_BYTES_MAX = 1_000_000
"""A configuration is written by a person; a larger file is some other file."""
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false", Path: "a path (a string)"}


def load(cls: type[ConfigT], path: Path | None, env: Mapping[str, str], prefix: str) -> ConfigT:
    """Make a `cls` from the TOML file at `path` and the variables in `env` that begin with `prefix` and ``_``.

    Args:
        cls: A frozen dataclass whose fields are str, int, float, bool, Path, Literal, enum, tuple[T, ...],
            dict[str, T], T | None or dataclasses of these.
        path: The file; None reads the environment alone.
        env: Usually `os.environ`.
        prefix: Usually the service's name; its case does not matter.

    Raises:
        ConfigError: The file cannot be read, a key is unknown, missing or of the wrong type.
    """
    table = _read(path) if path is not None else {}
    base = path.resolve().parent if path is not None else Path.cwd()
    _Loader(str(path or "the configuration"), base).merge_environment(cls, table, env, prefix.upper() + "_")
    return typing.cast("ConfigT", _Loader(str(path or "the configuration"), base).build(cls, table, ""))


def _read(path: Path) -> dict[str, Any]:
    """The parsed file."""
    try:
        with path.open("rb") as file:
            raw = file.read(CONFIG_BYTES_MAX + 1)
        if len(raw) > CONFIG_BYTES_MAX:
            raise ConfigError(f"{path} is over {CONFIG_BYTES_MAX} bytes; that is no configuration")
        return tomllib.loads(raw.decode())
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; give the configuration file with --config") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


@dataclasses.dataclass(frozen=True, slots=True)
class _Loader:
    """Turns tables into dataclasses; knows what to call the file in an error and where its relative paths start."""

    source: str
    base: Path

    def build(self, cls: type[Any], table: Mapping[str, Any], at: str) -> object:
        """The dataclass `cls` from `table`, which stands at the dotted key `at`."""
        hints = typing.get_type_hints(cls)
        fields = {field.name: field for field in dataclasses.fields(cls)}
        for key in table:
            if key not in fields:
                raise ConfigError(f"{self.source}: unknown key '{at}{key}'; {_nearest(key, fields, at)}")
        values = {}
        for name, field in fields.items():
            if name in table:
                values[name] = self.value(hints[name], table[name], f"{at}{name}")
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise ConfigError(f"{self.source}: '{at}{name}' is missing; it must be {_accepted(hints[name])}")
        try:
            return cls(**values)
        except (ValueError, InvalidArgumentError) as error:
            where = f"[{at[:-1]}] " if at else ""
            raise ConfigError(f"{self.source}: {where}{error}") from error

    def value(self, wanted: Any, given: object, at: str) -> object:
        """`given` as the type `wanted`."""
        origin = typing.get_origin(wanted)
        if origin in (typing.Union, types.UnionType):
            return self.value(_without_none(wanted), given, at)
        if dataclasses.is_dataclass(wanted):
            if isinstance(given, Mapping):
                return self.build(typing.cast("type", wanted), given, f"{at}.")
        elif origin is tuple and isinstance(given, list):
            inner = typing.get_args(wanted)[0]
            return tuple(self.value(inner, item, f"{at}[{index}]") for index, item in enumerate(given))
        elif origin is dict and isinstance(given, Mapping):
            inner = typing.get_args(wanted)[1]
            return {key: self.value(inner, item, f"{at}.{key}") for key, item in given.items()}
        elif origin is typing.Literal and given in typing.get_args(wanted):
            return given
        elif isinstance(wanted, type):
            scalar = self.scalar(wanted, given)
            if scalar is not None:
                return scalar
        raise ConfigError(f"{self.source}: '{at}' is {_shown(given)}; it must be {_accepted(wanted)}")

    def scalar(self, wanted: type, given: object) -> object | None:
        """`given` as a plain type, None if it is not one."""
        if wanted is Path and isinstance(given, str) and given:
            return self.base / Path(given).expanduser()
        if issubclass(wanted, enum.Enum):
            return next((member for member in wanted if member.value == given), None)
        if wanted is float and isinstance(given, int) and not isinstance(given, bool):
            return float(given)
        # bool is a subclass of int, and `retries = true` is a mistake, not 1.
        return given if type(given) is wanted else None

    def merge_environment(self, cls: type[Any], table: dict[str, Any], env: Mapping[str, str], prefix: str) -> None:
        """Put what `env` says over `table`, in place."""
        for variable in sorted(env):
            if variable.startswith(prefix) and variable != prefix:
                self._override(cls, table, variable, variable[len(prefix) :].lower().split("__"), env[variable])

    def _override(self, cls: type[Any], table: dict[str, Any], variable: str, keys: list[str], text: str) -> None:
        """Set one key from one variable."""
        for index, key in enumerate(keys):
            hints = typing.get_type_hints(cls)
            if key not in hints:
                at = ".".join(keys[:index]) + "." if index else ""
                raise ConfigError(f"environment: unknown {variable}; {_nearest(key, hints, at)}")
            wanted = _without_none(hints[key])
            if index == len(keys) - 1:
                table[key] = _from_text(wanted, text, variable)
            elif dataclasses.is_dataclass(wanted):
                cls, table = typing.cast("type", wanted), table.setdefault(key, {})
            else:
                raise ConfigError(f"environment: unknown {variable}; '{'.'.join(keys[: index + 1])}' is no table")


def _from_text(wanted: Any, text: str, variable: str) -> object:
    """A variable's text as TOML would have given it."""
    if wanted is bool and text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    try:
        if wanted in (bool, int, float):
            return int(text) if wanted is not float else float(text)
    except ValueError:
        raise ConfigError(f"environment: {variable} is {_shown(text)}; it must be {_accepted(wanted)}") from None
    if typing.get_origin(wanted) is tuple:
        inner = typing.get_args(wanted)[0]
        return [_from_text(inner, item.strip(), variable) for item in text.split(",") if item.strip()]
    if dataclasses.is_dataclass(wanted) or typing.get_origin(wanted) is dict:
        raise ConfigError(f"environment: {variable} names a table; set one of its keys: {variable}__KEY")
    return text


def _without_none(wanted: Any) -> Any:
    """T of ``T | None``, anything else as it is."""
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        return next(part for part in typing.get_args(wanted) if part is not types.NoneType)
    return wanted


def _nearest(key: str, known: typing.Iterable[str], at: str) -> str:
    """Which known key was probably meant, or all of them."""
    close = difflib.get_close_matches(key, list(known), n=1, cutoff=0.6)
    return f"did you mean '{at}{close[0]}'?" if close else f"known here: {', '.join(sorted(known))}"


def _accepted(wanted: Any) -> str:
    """What a value may be, for a person."""
    wanted = _without_none(wanted)
    origin = typing.get_origin(wanted)
    if dataclasses.is_dataclass(wanted):
        return f"a table of {', '.join(field.name for field in dataclasses.fields(wanted))}"
    if origin is typing.Literal:
        return "one of " + ", ".join(repr(choice) for choice in typing.get_args(wanted))
    if origin is tuple:
        return f"a list, each item {_accepted(typing.get_args(wanted)[0])}"
    if origin is dict:
        return f"a table, each value {_accepted(typing.get_args(wanted)[1])}"
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return "one of " + ", ".join(repr(member.value) for member in wanted)
    return _NAMES.get(wanted, str(wanted))


def _shown(given: object) -> str:
    """A value cut to what fits a line."""
    text = repr(given)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - half a terminal line
