"""etcd's command line and ETCD_* variables, read as etcd reads them: the same syntax, sentences and exit codes.

Flags are text until somebody asks for them; that they are what their kind says is checked when they are read.

Source: etcd 3.5.16 as observed; Go's package flag (syntax) and time.ParseDuration.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainfire.core.flag_table import FLAGS, GROUPS, Flag, Kind
from chainfire.core.urls import Url, url_of

PREFIX = "ETCD_"
EXIT_REFUSED, EXIT_SYNTAX = 1, 2
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


class FlagError(Exception):
    """The command line cannot be used.

    Attributes:
        exit_code: etcd's.
        hint: What was probably meant, or nothing.
    """

    def __init__(self, sentence: str, exit_code: int = EXIT_REFUSED, hint: str = "") -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
        self.hint = hint


class HelpAsked(Exception):  # noqa: N818 - nothing went wrong
    """The command line asks for help."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What was set, and the defaults of the rest.

    Attributes:
        given: Texts by flag, of those that were set.
        strangers: Variables that begin with ETCD_ and name no flag.
    """

    given: Mapping[str, str]
    strangers: tuple[str, ...] = ()

    def is_set(self, name: str) -> bool:
        """Whether somebody set the flag."""
        return name in self.given

    def text(self, name: str) -> str:
        """A flag's text."""
        return self.given.get(name, FLAGS[name].default)

    def words(self, name: str) -> tuple[str, ...]:
        """A flag's comma-separated words."""
        return tuple(word.strip() for word in self.text(name).split(",") if word.strip())

    def whole(self, name: str) -> int:
        """A flag's number."""
        return int(self.text(name), 0)

    def is_on(self, name: str) -> bool:
        """Whether a flag is true."""
        return self.text(name) in _TRUE

    def seconds(self, name: str) -> float:
        """A flag's time."""
        return seconds_of(self.text(name))

    def urls(self, name: str) -> tuple[Url, ...]:
        """A flag's URLs, each once."""
        return tuple(dict.fromkeys(url_of(word) for word in self.words(name)))

    def idle(self) -> list[Flag]:
        """Flags that were set to other than their default, and do nothing here."""
        return [flag for name in self.given if (flag := FLAGS[name]).idle and self.text(name) != flag.default]

    def unsafe(self) -> list[Flag]:
        """Flags that were set and cannot be honoured, so that a start would be less safe than was asked for."""
        return [
            flag for name in self.given if (flag := FLAGS[name]).unsafe and self.text(name) not in ("", flag.default)
        ]


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Flags:
    """Read a command line, and the variables for what it does not set.

    Args:
        arguments: Without the program's name.
        environment: All variables of the process.

    Raises:
        FlagError: Something is unknown or not of its kind, or a variable and a flag set the same thing.
        HelpAsked: It asks for help.
    """
    given = parse_arguments(arguments)
    variables = {_variable(name): name for name in FLAGS}
    strangers = []
    for variable in sorted(environment):
        if not variable.startswith(PREFIX):
            continue
        name = variables.get(variable)
        if name is None:
            strangers.append(variable)
        elif name in given:
            # etcd 3.5 does not choose between them either: one of the two is a mistake.
            raise FlagError(
                f"conflicting environment variable is shadowed by corresponding command-line flag "
                f"(either unset environment variable or disable flag)): {variable}"
            )
        elif environment[variable]:
            try:
                check(FLAGS[name], environment[variable])
            except ValueError as error:
                raise FlagError(f'invalid value "{environment[variable]}" for {variable}: {error}') from error
            given[name] = environment[variable]
    return Flags(given, tuple(strangers))


def parse_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """Texts by flag; raises as `parse`."""
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, text = word.removeprefix("-").removeprefix("-").partition("=")
        if not name or name.startswith("-"):
            raise FlagError(f"bad flag syntax: {word}", EXIT_SYNTAX)
        if name in ("help", "h"):
            raise HelpAsked
        flag = FLAGS.get(name)
        if flag is None:
            raise FlagError(f"flag provided but not defined: -{name}", EXIT_SYNTAX, _nearest(name))
        if not equals:
            if flag.kind is Kind.BOOL:
                text = "true"
            elif not rest:
                raise FlagError(f"flag needs an argument: -{name}", EXIT_SYNTAX)
            else:
                text = rest.pop(0)
        _check_argument(flag, text)
        given[name] = text
    if rest:
        raise FlagError(f"'{rest[0]}' is not a valid flag")
    return given


def check(flag: Flag, text: str) -> None:
    """Hold a text against its flag's kind.

    Raises:
        ValueError: It is none; the message is etcd's.
    """
    match flag.kind:
        case Kind.BOOL if text not in _TRUE | _FALSE:
            raise ValueError("parse error")
        case Kind.WHOLE | Kind.COUNT:
            try:
                number = int(text, 0)
            except ValueError:
                raise ValueError("parse error") from None
            if number < 0 and flag.kind is Kind.COUNT:
                raise ValueError("parse error")
        case Kind.DURATION:
            seconds_of(text)
        case Kind.URLS:
            for word in text.split(","):
                if word.strip():
                    url_of(word.strip())
        case Kind.CHOICE if text not in flag.choices:
            raise ValueError("invalid value")
        case _:
            pass


def seconds_of(text: str) -> float:
    """Seconds of a Go duration: `1h30m`, `100ms`, `0`.

    Raises:
        ValueError: It is none.
    """
    body = text.lstrip("+-")
    if body == "0":
        return 0.0
    parts = _PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError("parse error")
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return -total if text.startswith("-") else total


def members_of(text: str) -> dict[str, tuple[str, ...]]:
    """Peer URLs by name of `--initial-cluster`; a name that comes again has several.

    Raises:
        FlagError: A part is not NAME=URL.
    """
    found: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, url = part.partition("=")
        try:
            url_of(url)
        except ValueError as error:
            raise FlagError(f"error setting up initial cluster: {error}") from error
        found[name] = (*found.get(name, ()), url)
    return found


def usage() -> str:
    """What is told with a refused command line."""
    return (
        "Usage:\n\n"
        "  chainfire-etcd [flags]\n    Start a chainfire server as etcd is started.\n\n"
        "  chainfire-etcd --version\n    Show the version.\n\n"
        "  chainfire-etcd -h | --help\n    Show every flag.\n\n"
        "  chainfire-etcd --config-file FILE\n    Read the flags from a file; others are ignored then, variables too.\n"
    )


def help_text() -> str:
    """Every flag: its default and what it does here."""
    lines = [usage()]
    for title, flags in GROUPS:
        lines.append(f"{title}:")
        for flag in flags:
            lines.append(f"  --{flag.name} '{flag.default}'")
            says = f"{flag.says[:1].upper()}{flag.says[1:]}."
            if flag.idle:
                says += f" No effect here: {flag.idle}."
            elif flag.unsafe:
                says += f" Refused here: {flag.unsafe}."
            lines.append(f"    {says}")
        lines.append("")
    lines.append("ETCD_NAME stands for --name, and so on for every flag; setting both is refused.")
    return "\n".join(lines) + "\n"


def _check_argument(flag: Flag, text: str) -> None:
    try:
        check(flag, text)
    except ValueError as error:
        if flag.kind is Kind.BOOL:
            raise FlagError(f'invalid boolean value "{text}" for -{flag.name}: {error}', EXIT_SYNTAX) from error
        raise FlagError(f'invalid value "{text}" for flag -{flag.name}: {error}', EXIT_SYNTAX) from error


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace("-", "_")


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, list(FLAGS), n=1, cutoff=0.6)
    return f"did you mean --{close[0]}?" if close else ""
