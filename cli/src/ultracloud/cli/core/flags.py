"""Fields of a request as flags: `spec.cidr` is `--cidr`, and always `--spec.cidr` too.

Messages within messages get dotted flags down to a depth; lists and maps are flags that may be given several times.
Whatever a flag cannot say is said in a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ultracloud.cli.core.api import Field, Noun
from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.fields import check, parse_message, parse_pair, parse_text
from ultracloud.cli.core.trees import Json, put

DEPTH_MAX = 4
"""`--spec.a.b.c`; deeper messages are given as JSON or in a file."""
FLAGS_MAX = 200
"""Of one command; a request with more fields is for files."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One field as a flag.

    Attributes:
        path: Where the value goes in the body.
        names: What may be typed, best first.
        key: Name of the parameter: unique in its command.
    """

    path: tuple[str, ...]
    names: tuple[str, ...]
    field: Field

    @property
    def key(self) -> str:
        """A Python name."""
        return "field_" + "__".join(self.path)

    @property
    def repeated(self) -> bool:
        """Whether it may be given several times."""
        return self.field.shape != "one"


def flags_of(noun: Noun, schema: str, omitted: frozenset[str], taken: frozenset[str]) -> list[Flag]:
    """Flags of all that a request may say.

    Args:
        noun: Has the schemas.
        schema: Of the request's body.
        omitted: Fields of the request that are said in another way: `project`, `ref`.
        taken: Flags that every command has; a field of that name keeps its dotted flag only.
    """
    found = [leaf for leaf in _leaves(noun, schema, (), 0) if leaf[0][0] not in omitted][:FLAGS_MAX]
    used = set(taken)
    made = []
    for path, field in found:
        names = [name for name in dict.fromkeys(_names(path, field)) if name not in used]
        used.update(names)
        made.append(Flag(path, tuple(names), field))
    return [flag for flag in made if flag.names]


def value_of(flag: Flag, texts: tuple[str, ...], noun: Noun) -> Json:
    """The value that was given for a flag, in one or several texts.

    Raises:
        UsageFailure: A text is no such value.
    """
    where, field = flag.names[0], flag.field
    match field.shape:
        case "map":
            return dict(parse_pair(field, text, where, noun) for text in texts)
        case "many" if len(texts) == 1 and texts[0].startswith("["):
            return check(field, parse_message(Field(field.name, "any"), texts[0], where, noun), where, noun)
        case "many":
            return [parse_text(field, text, where, noun) for text in texts]
        case _:
            return parse_text(field, texts[-1], where, noun)


def assemble(base: dict[str, Json], given: Mapping[tuple[str, ...], Json]) -> dict[str, Json]:
    """A body: what a file says, with flags over it; maps are merged, lists are replaced."""
    for path, value in given.items():
        place: Json = base
        for name in path:
            place = place.get(name) if isinstance(place, dict) else None
        if isinstance(place, dict) and isinstance(value, dict):
            put(base, path, {**place, **value})
        else:
            put(base, path, value)
    return base


def missing(noun: Noun, schema: str, body: Json, omitted: frozenset[str]) -> list[str]:
    """Required fields of a request that nobody gave, as paths."""
    gone = []
    for field in noun.fields(schema):
        value = body.get(field.name) if isinstance(body, dict) else None
        if field.required and field.name not in omitted and value in (None, ""):
            gone.append(field.name)
    return gone


def require(noun: Noun, schema: str, body: Json, omitted: frozenset[str]) -> None:
    """Refuse a body without what its schema requires.

    Raises:
        UsageFailure: Names each field that is missing.
    """
    gone = missing(noun, schema, body, omitted)
    if gone:
        raise UsageFailure(
            f"missing: {', '.join('NAME' if name == 'name' else '--' + name.replace('_', '-') for name in gone)}"
        )


def _leaves(noun: Noun, schema: str, path: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], Field]]:
    for field in noun.fields(schema):
        here = (*path, field.name)
        if field.read_only:
            continue
        nested = field.kind == "message" and field.shape == "one" and noun.fields(field.message)
        if nested and depth < DEPTH_MAX:
            yield from _leaves(noun, field.message, here, depth + 1)
        else:
            yield here, field


def _names(path: tuple[str, ...], field: Field) -> Iterator[str]:
    """`--cidr`, `--spec.cidr`; of a list also the singular: `--nic` of `nics`."""
    words = [part.replace("_", "-") for part in path]
    below = words[1:] if words[0] == "spec" and len(words) > 1 else words
    short = ".".join(below)
    if field.shape != "one":
        yield "--" + singular(short)
    yield "--" + short
    if below is not words:
        yield "--" + ".".join(words)


def singular(word: str) -> str:
    """`nics` -> `nic`, `policies` -> `policy`, `addresses` -> `address`; what is no plural stays."""
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) else word
