"""Request bodies from files, and patches from `field=value` words.

A file may be a request (`name`, `labels`, `spec`) or what `get -o yaml` has printed (`metadata`, `spec`, `status`): so
what is read can be changed and sent back.

Source: RFC 7396 (merge patch): what is named is changed, null clears.
"""

from __future__ import annotations

from dataclasses import dataclass

from ultracloud.cli.core.api import Field, Noun
from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.fields import check_fields, parse_message, parse_pair, parse_text
from ultracloud.cli.core.suggest import did_you_mean
from ultracloud.cli.core.trees import Json, put, table_at, text_at

WORDS_MAX = 200
"""Of one `set`."""


def from_document(document: Json, noun: Noun, schema: str) -> dict[str, Json]:
    """The body that a file means, checked against `schema`.

    Raises:
        UsageFailure: It is no object, or has what the request does not.
    """
    if not isinstance(document, dict):
        raise UsageFailure(
            "the file holds no object; accepted: name, labels and spec, or a resource as `get -o yaml` prints it"
        )
    body = resource_to_request(document) if "metadata" in document else dict(document)
    return table_at({"body": check_fields(noun.fields(schema), body, "", noun)}, "body")


def resource_to_request(document: dict[str, Json]) -> dict[str, Json]:
    """A resource as a request: name, labels and spec stay; what the server writes goes."""
    body = {key: value for key, value in document.items() if key not in ("metadata", "status", "kind", "apiVersion")}
    name, labels = text_at(document, "metadata", "name"), table_at(document, "metadata", "labels")
    if name:
        body["name"] = name
    if labels:
        body["labels"] = dict(labels)
    return body


def patch_of_words(words: tuple[str, ...], noun: Noun, schema: str) -> dict[str, Json]:
    """`vcpus=4 labels.tier=web user_data-` as a merge patch; a trailing `-` clears.

    Args:
        words: As typed.
        noun: Has the schemas.
        schema: Of the update request; its `spec` and `labels` are what can be changed.

    Raises:
        UsageFailure: A word names no field, or its value does not fit.
    """
    if len(words) > WORDS_MAX:
        raise UsageFailure(f"{len(words)} changes; at most {WORDS_MAX} are accepted")
    body: dict[str, Json] = {}
    for word in words:
        name, equals, text = word.partition("=")
        clears = not equals and word.endswith("-")
        if not equals and not clears:
            raise UsageFailure(f"{word!r} changes nothing; accepted: FIELD=VALUE, or FIELD- to clear it")
        place = locate(name.removesuffix("-") if clears else name, noun, schema)
        if clears:
            put(body, place.names, None)
        else:
            put_value(body, place, text, noun)
    return body


@dataclass(frozen=True, slots=True)
class Located:
    """A field by its path in the request; `key` is of a map."""

    names: tuple[str, ...]
    field: Field
    key: str = ""


def locate(dotted: str, noun: Noun, schema: str) -> Located:
    """The field that `vcpus`, `spec.vcpus` or `labels.tier` means.

    Raises:
        UsageFailure: There is none.
    """
    names = dotted.replace("-", "_").split(".") if not dotted.startswith("labels.") else ["labels", dotted[7:]]
    tops = {field.name for field in noun.fields(schema)}
    if names[0] not in tops and "spec" in tops:
        names.insert(0, "spec")
    fields, path = noun.fields(schema), list[str]()
    for at, name in enumerate(names):
        known = {field.name: field for field in fields if not field.read_only}
        field = known.get(name)
        if field is None:
            raise UsageFailure(
                f"there is no field {dotted!r}; accepted here: {', '.join(known) or 'none'}",
                hint=did_you_mean(name, known),
            )
        path.append(name)
        rest = names[at + 1 :]
        if field.shape == "map" and rest:
            key = ".".join(rest)
            return Located((*path, key), field, key)
        if not rest:
            return Located(tuple(path), field)
        if field.shape != "one":
            raise UsageFailure(f"{'.'.join(path)} is a list; it is given whole: {'.'.join(path)}='[{{...}}]'")
        fields = noun.fields(field.message)
    raise UsageFailure(f"there is no field {dotted!r}")


def put_value(body: dict[str, Json], place: Located, text: str, noun: Noun) -> None:
    """Set a located field from text; a list may be written `a,b` or as JSON."""
    field, where = place.field, ".".join(place.names)
    value: Json
    if field.shape == "map" and not place.key:
        value = dict(parse_pair(field, part, where, noun) for part in text.split(",") if part)
    elif field.shape == "many":
        if text.startswith("["):
            value = parse_message(Field(field.name, "any"), text, where, noun)
        elif field.kind == "message":
            value = [parse_message(field, text, where, noun)]
        else:
            value = [parse_text(field, part, where, noun) for part in text.split(",") if part]
    else:
        value = parse_text(field, text, where, noun)
    put(body, place.names, value)
