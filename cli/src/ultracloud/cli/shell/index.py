"""The index of nouns: read from files beside the code, each when it is needed."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ultracloud.cli.core.failures import NOT_FOUND, Failure
from ultracloud.cli.core.suggest import did_you_mean
from ultracloud.cli.core.trees import Json, items_at, table_at, text_at

if TYPE_CHECKING:
    from ultracloud.cli.core.api import Noun

FOLDER = Path(__file__).parent.parent / "index"


@functools.cache
def listing() -> dict[str, Json]:
    """Noun -> plural, kind, service, summary, aliases, verbs."""
    return table_at(_read("nouns"), "nouns")


@functools.cache
def api_version() -> str:
    """Version of the API that the index is of."""
    return text_at(_read("nouns"), "version")


@functools.cache
def words() -> dict[str, str]:
    """What a noun may be called -> its name."""
    found = {name: name for name in listing()}
    for name, entry in listing().items():
        for alias in items_at(entry, "aliases"):
            if isinstance(alias, str):
                found.setdefault(alias, name)
    return found


@functools.cache
def noun(word: str) -> Noun:
    """The noun of a name or alias.

    Raises:
        Failure: There is none.
    """
    from ultracloud.cli.core.api import parse_noun

    name = words().get(word) or words().get(word.lower())
    if name is None:
        raise Failure(
            f"there is no kind {word[:60]!r}; there are: {', '.join(sorted(listing()))}",
            hint=did_you_mean(word, words()),
            exit_code=NOT_FOUND,
        )
    return parse_noun(_read(name))


def _read(name: str) -> Json:
    made: Json = json.loads((FOLDER / f"{name}.json").read_bytes())
    return made
