"""The settings of every process, as its NixOS module types them: nix/settings/NAME.json.

The configuration's dataclass is the schema, here as at run time: a field is an option, a nested dataclass a set of
options. `./dev check` compares, so a setting that is added without its option is seen before it is merged.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import importlib
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.workspace import ROOT

FOLDER = ROOT / "nix" / "settings"
PROCESSES = {
    "chainfire": "chainfire.config:Config",
    "flaredb": "flaredb.config:Config",
    "iam": "iam.config:IamSettings",
    "prismnet": "prismnet.config:PrismnetSettings",
    "prismnet-agent": "prismnet.agent.config:AgentConfig",
    "plasmavmc": "plasmavmc.config:PlasmavmcSettings",
    "plasmavmc-agent": "plasmavmc.agent.config:AgentSettings",
    "apigateway": "apigateway.config:GatewaySettings",
}
"""Process -> the dataclass of its configuration."""
SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}
CONTAINERS = {tuple: ("list", 0), dict: ("map", 1)}
"""Type -> kind, and which of its arguments is an item's."""
SECRET = re.compile(r"(.*_)?key(_file)?|.*_?(secret|password)_file")
"""Names of paths whose files nobody else may read: a key, a password."""
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)

Schema = dict[str, Any]


def main() -> int:
    """Write the files, or with --check say whether they are current."""
    parser = argparse.ArgumentParser(prog="python -m tools.nix_settings", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    check = parser.parse_args().check
    stale = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    if not check:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path in stale:
            path.write_text(files()[path])
        return 0
    for path in stale:
        sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run `./dev gen`\n")
    return 1 if stale else 0


def files() -> Mapping[Path, str]:
    """What stands in each file."""
    return {
        FOLDER / f"{name}.json": json.dumps(fields_of(configuration(where)), indent=1, sort_keys=True) + "\n"
        for name, where in PROCESSES.items()
    }


def configuration(where: str) -> type:
    """The dataclass that ``module:class`` names."""
    module, _, name = where.partition(":")
    return typing.cast("type", getattr(importlib.import_module(module), name))


def fields_of(cls: type) -> Schema:
    """Field -> what it accepts, of a dataclass."""
    hints = typing.get_type_hints(cls)
    told = about(cls)
    return {
        field.name: {
            **accepted(field.name, hints[field.name]),
            **({"about": told[field.name]} if field.name in told else {}),
            **default_of(field),
        }
        for field in dataclasses.fields(cls)
    }


def default_of(field: dataclasses.Field[Any]) -> Schema:
    """The default, where it is a plain value; whether one must be given, where there is none."""
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return {"required": True}
    if isinstance(field.default, str | int | float | bool) and field.default != "":
        return {"default": field.default}
    return {}


def accepted(name: str, hint: Any) -> Schema:
    """What a field may be."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return accepted(name, next(part for part in arguments if part is not types.NoneType))
    if dataclasses.is_dataclass(hint):
        return {"kind": "table", "fields": fields_of(typing.cast("type", hint))}
    if origin in CONTAINERS:
        kind, item = CONTAINERS[origin]
        return {"kind": kind, "of": accepted(name, arguments[item])}
    if choices := choices_of(hint):
        return {"kind": "choice", "choices": choices}
    if hint is Path:
        return {"kind": "secret" if SECRET.fullmatch(name) else "path"}
    return {"kind": SCALARS[hint]}


def choices_of(hint: Any) -> list[Any]:
    """The values of a closed list; none of any other type."""
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    return [member.value for member in hint] if isinstance(hint, type) and issubclass(hint, enum.Enum) else []


def about(cls: type) -> Mapping[str, str]:
    """What the docstrings say of each field, those of the classes above it too."""
    found: dict[str, str] = {}
    for each in reversed(inspect.getmro(cls)):
        section = (inspect.cleandoc(each.__doc__ or "")).partition("Attributes:\n")[2]
        found |= {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(section)}
    return found


if __name__ == "__main__":
    sys.exit(main())
