"""Completion for the commands of services: the tree of their arguments as a script for bash, zsh or fish.

The words are fixed, so they stand in the script: a press of tab starts no program.

Source: bash(1), Programmable Completion; zshcompsys(1), bashcompinit; fish's complete(1).
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

ROOT = "."
"""Key of what stands right behind the program's name; no command is called so."""

_ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
_BASH = """\
_{function}() {{
    local path={root} word key at
    local -A words=({words})
    for ((at = 1; at < COMP_CWORD; at++)); do
        key="$path ${{COMP_WORDS[at]}}"
        [ -n "${{words[$key]}}" ] && path=$key
    done
    COMPREPLY=($(compgen -W "${{words[$path]}}" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _{function} {name}
"""


@dataclass(frozen=True, slots=True)
class Level:
    """What may follow some words.

    Attributes:
        path: Those words, without the program's name.
        commands: (word, what it is).
        flags: (flag, what it is).
    """

    path: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]
    flags: tuple[tuple[str, str], ...]


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """What a shell reads once: `eval "$(flaredb completion bash)"`."""
    levels = list(_levels(parser, ()))
    if shell == "fish":
        return "".join(_fish(parser.prog, level) for level in levels)
    begin = (
        "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    )
    return begin + _bash(parser.prog, levels)


def _bash(name: str, levels: list[Level]) -> str:
    pairs = []
    for level in levels:
        follows = " ".join(word for word, _ in (*level.commands, *level.flags))
        pairs.append(f"[{shlex.quote(' '.join((ROOT, *level.path)))}]={shlex.quote(follows)}")
    function = "".join(letter if letter.isalnum() else "_" for letter in name)
    return _BASH.format(function=function, name=name, root=ROOT, words=" ".join(pairs))


def _fish(name: str, level: Level) -> str:
    seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in level.path) or "__fish_use_subcommand"
    begin = f"complete -c {name} -n {shlex.quote(seen)}"
    lines = [f"{begin} -f -a {word} -d {shlex.quote(about)}\n" for word, about in level.commands]
    lines += [f"{begin} -l {flag[2:]} -d {shlex.quote(about)}\n" for flag, about in level.flags]
    return "".join(lines)


def _levels(parser: argparse.ArgumentParser, path: tuple[str, ...]) -> Iterator[Level]:
    """A parser and all below it."""
    commands: dict[str, argparse.ArgumentParser] = {}
    abouts: dict[str, str] = {}
    flags: list[tuple[str, str]] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to be asked
        about = action.help if action.help and action.help != argparse.SUPPRESS else ""
        flags += [(flag, about) for flag in action.option_strings if flag.startswith("--")]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            commands |= action.choices
            abouts |= {one.dest: one.help or "" for one in action._choices_actions}  # noqa: SLF001 - as above
    yield Level(path, tuple((word, abouts.get(word, "")) for word in commands), tuple(flags))
    for word, below in commands.items():
        yield from _levels(below, (*path, word))
