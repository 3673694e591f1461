"""Contexts: which cloud, whose identity, which project; and which of several sources holds.

A flag beats the environment, which beats the project file of the directory, which beats the context. A project file
travels with source code that strangers write, so it may choose a context that exists, a project and an organisation,
and never a server or a credential.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import urlsplit

from ultracloud.cli.core.failures import NOT_FOUND, Failure, UsageFailure
from ultracloud.cli.core.suggest import did_you_mean
from ultracloud.cli.core.trees import Json, at, table_at, text_at

PROJECT_FILE = ".ultracloud.toml"
PROJECT_FILE_KEYS = ("context", "project", "org")
CONTEXTS_MAX = 200
FILE_BYTES_MAX = 1 << 20
"""Of the configuration; a greater file is not ours."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
ENVIRONMENT = {
    "context": "ULTRACLOUD_CONTEXT",
    "server": "ULTRACLOUD_SERVER",
    "project": "ULTRACLOUD_PROJECT",
    "org": "ULTRACLOUD_ORG",
    "token": "ULTRACLOUD_TOKEN",
    "token_file": "ULTRACLOUD_TOKEN_FILE",
    "ca": "ULTRACLOUD_CA",
    "output": "ULTRACLOUD_OUTPUT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One cloud, and how it is spoken to.

    Attributes:
        name: Of the context; empty if it stands in none.
        server: `https://host:port`.
        org: Name or id; empty is none.
        ca: File of the authority that signs the gateway's certificate; empty is the system's.
        certificate: File of an operator's certificate.
        key: File of its key.
        token_file: File that somebody else keeps fresh; read at each command.
        insecure: Do not verify the gateway's certificate.
    """

    name: str = ""
    server: str = ""
    project: str = ""
    org: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    token_file: str = ""
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Contexts:
    """All contexts, and which is used when nothing else is said."""

    current: str = ""
    targets: Mapping[str, Target] | None = None

    @property
    def all(self) -> Mapping[str, Target]:
        """By name."""
        return self.targets or {}

    def named(self, name: str) -> Target:
        """The context of that name.

        Raises:
            Failure: There is none.
        """
        if name not in self.all:
            known = ", ".join(sorted(self.all)) or "none; `uc context add NAME --server URL` makes one"
            raise Failure(
                f"there is no context {name!r}; there are: {known}",
                hint=did_you_mean(name, self.all),
                exit_code=NOT_FOUND,
            )
        return self.all[name]

    def with_target(self, target: Target) -> Contexts:
        """With this one added or replaced; the first one is used at once."""
        if target.name not in self.all and len(self.all) >= CONTEXTS_MAX:
            raise UsageFailure(f"{len(self.all)} contexts; at most {CONTEXTS_MAX} are kept")
        return Contexts(self.current or target.name, {**self.all, target.name: target})

    def without(self, name: str) -> Contexts:
        """Without this one."""
        self.named(name)
        left = {key: target for key, target in self.all.items() if key != name}
        return Contexts("" if self.current == name else self.current, left)

    def using(self, name: str) -> Contexts:
        """With this one as the current."""
        self.named(name)
        return Contexts(name, self.all)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What holds for one command, and where each part of it came from.

    Attributes:
        target: The cloud.
        token: Given by the environment; empty if none was.
        sources: Part -> "flag", "environment", ".ultracloud.toml" or "context".
    """

    target: Target
    token: str
    sources: Mapping[str, str]


def parse_contexts(tree: Json) -> Contexts:
    """The configuration file's content.

    Raises:
        UsageFailure: A key is unknown or a value is of the wrong kind.
    """
    _only(tree, ("current", "contexts"), "")
    targets = {name: _target(name, value) for name, value in table_at(tree, "contexts").items()}
    return Contexts(text_at(tree, "current"), targets)


def render_contexts(contexts: Contexts) -> str:
    """As TOML, the same for the same content."""
    lines = ["# Contexts of `uc`: written by `uc context`, and may be edited. No secrets stand here.\n"]
    if contexts.current:
        lines.append(f"current = {_quoted(contexts.current)}\n")
    for name in sorted(contexts.all):
        lines.append(f"\n[contexts.{_quoted(name)}]\n")
        target = contexts.all[name]
        for field in fields(target):
            value = getattr(target, field.name)
            if value and field.name != "name":
                lines.append(f"{field.name} = {'true' if value is True else _quoted(value)}\n")
    return "".join(lines)


def parse_project_file(tree: Json) -> dict[str, str]:
    """What a project file pins.

    Raises:
        UsageFailure: It says something that it may not.
    """
    _only(tree, PROJECT_FILE_KEYS, f"{PROJECT_FILE}: ")
    return {key: text_at(tree, key) for key in PROJECT_FILE_KEYS if text_at(tree, key)}


def check_name(name: str) -> str:
    """Give a context's name back if it is one: it becomes part of a file's name.

    Raises:
        UsageFailure: It is not.
    """
    if not NAME.fullmatch(name):
        raise UsageFailure(f"context {name[:80]!r} is no name; accepted: 1 to 63 letters, digits, '.', '_' and '-'")
    return name


def check_server(server: str) -> str:
    """`https://host[:port]` without what would follow; a bare host means https.

    Raises:
        UsageFailure: It is no such address.
    """
    if not server.isprintable() or " " in server:  # urlsplit drops newlines and tabs
        raise UsageFailure(f"server {server[:120]!r} is no address; accepted: https://host:port")
    whole = server if "://" in server else f"https://{server}"
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise UsageFailure(f"server {server[:120]!r} is no address; accepted: https://host:port")
    if parts.path not in ("", "/") or not re.fullmatch(r"[A-Za-z0-9._:%-]+", parts.hostname):
        raise UsageFailure(f"server {server[:120]!r} is no address; accepted: https://host:port, without a path")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def choose(
    contexts: Contexts, project_file: Mapping[str, str], environment: Mapping[str, str], flags: Mapping[str, str]
) -> Chosen:
    """What holds, of all that was said.

    Args:
        contexts: From the configuration.
        project_file: What `.ultracloud.toml` pins.
        environment: ULTRACLOUD_* variables.
        flags: What was typed: context, server, project, org.

    Raises:
        Failure: A context is named that does not exist.
    """
    said = {key: environment[name] for key, name in ENVIRONMENT.items() if environment.get(name)}
    sources: dict[str, str] = {}

    def pick(part: str) -> str:
        for source, values in (("flag", flags), ("environment", said), (PROJECT_FILE, project_file)):
            if values.get(part) and not (source == PROJECT_FILE and part not in PROJECT_FILE_KEYS):
                sources[part] = source
                return values[part]
        return ""

    name = pick("context") or contexts.current
    server = pick("server")
    target = contexts.named(name) if name and (name in contexts.all or not server) else Target()
    if server:
        # Another server than the context's gets neither its credentials nor its certificate.
        target = target if check_server(server) == target.server else Target(server=check_server(server))
    for part in ("project", "org", "ca", "token_file"):
        if value := pick(part):
            target = with_text(target, part, value)
        elif getattr(target, part):
            sources[part] = "context"
    return Chosen(target=target, token=said.get("token", ""), sources=sources)


def with_text(target: Target, part: str, value: str) -> Target:  # noqa: PLR0911 - a line a part
    """With one of its texts changed."""
    match part:
        case "server":
            return replace(target, server=check_server(value))
        case "project":
            return replace(target, project=value)
        case "org":
            return replace(target, org=value)
        case "ca":
            return replace(target, ca=value)
        case "certificate":
            return replace(target, certificate=value)
        case "key":
            return replace(target, key=value)
        case _:
            assert part == "token_file", part
            return replace(target, token_file=value)


def _target(name: str, tree: Json) -> Target:
    known = [field.name for field in fields(Target) if field.name != "name"]
    _only(tree, tuple(known), f"context {name}: ")
    texts = {key: text_at(tree, key) for key in known if key not in ("insecure", "server")}
    server = text_at(tree, "server")
    return Target(
        name=check_name(name),
        server=check_server(server) if server else "",
        insecure=at(tree, "insecure") is True,
        **texts,
    )


def _only(tree: Json, known: tuple[str, ...], where: str) -> None:
    for key in tree if isinstance(tree, dict) else ():
        if key not in known:
            raise UsageFailure(
                f"{where}unknown key {key[:60]!r}; accepted: {', '.join(known)}", hint=did_you_mean(key, known)
            )


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of its own, but for DEL."""
    return json.dumps(text).replace("\x7f", "\\u007f")
