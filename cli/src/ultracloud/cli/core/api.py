"""What the API has, as the index says it: nouns, their operations, and the fields of requests and kinds.

The index is made from OpenAPI by `catalogue` and kept as one small JSON file a noun, so that a command reads only its
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ultracloud.cli.core.trees import Json, at, items_at, table_at, text_at


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message, or one parameter of an operation.

    Attributes:
        name: As in JSON.
        kind: string, integer, number, boolean, bytes, time, enum, message or any.
        message: Schema of a message field.
        accepted: Names of an enum.
        shape: one, many (a list) or map (an object with such values).
        low: Least number; None is no bound.
        high: Greatest number; None is no bound.
        read_only: Only in answers.
        secret: Only in requests; never on the command line.
    """

    name: str
    kind: str = "string"
    message: str = ""
    accepted: tuple[str, ...] = ()
    shape: str = "one"
    doc: str = ""
    low: float | None = None
    high: float | None = None
    required: bool = False
    read_only: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API.

    Attributes:
        id: `vms.create`.
        verb: `create`.
        path: `/v1/projects/{project}/vms`.
        root_path: Where the same is done at the root of the cloud; empty if it is not.
        path_fields: What stands in braces in the path.
        query: Parameters in the query.
        body: Schema of the request body; empty if there is none.
        answer: Schema of the answer.
        stream: json (one answer) or ndjson (a stream of lines).
        idempotent: Whether it takes an Idempotency-Key.
        open: Whether it needs no login.
    """

    id: str
    verb: str
    method: str
    path: str
    root_path: str = ""
    path_fields: tuple[Field, ...] = ()
    query: tuple[Field, ...] = ()
    body: str = ""
    answer: str = ""
    stream: str = "json"
    idempotent: bool = False
    open: bool = False
    summary: str = ""
    doc: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """Names in braces in the path, in order."""
        return tuple(part.partition("}")[0] for part in self.path.split("{")[1:])


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind, or a group of calls, with what its commands need.

    Attributes:
        name: `vm`.
        plural: `vms`, as in paths and operation ids.
        kind: Schema of its resources, `Vm`; empty for a group of calls.
        schemas: Schema -> its fields.
    """

    name: str
    plural: str
    kind: str
    summary: str
    operations: Mapping[str, Operation]
    schemas: Mapping[str, tuple[Field, ...]]

    def fields(self, schema: str) -> tuple[Field, ...]:
        """Fields of a schema; none if it is unknown."""
        return self.schemas.get(schema, ())


def parse_noun(tree: Json) -> Noun:
    """A noun from its index file."""
    operations = [parse_operation(operation) for operation in items_at(tree, "operations")]
    return Noun(
        text_at(tree, "name"),
        text_at(tree, "plural"),
        text_at(tree, "kind"),
        text_at(tree, "summary"),
        {operation.verb: operation for operation in operations},
        {name: tuple(parse_field(f) for f in items_at(tree, "schemas", name)) for name in table_at(tree, "schemas")},
    )


def parse_operation(tree: Json) -> Operation:
    """An operation from the index."""
    return Operation(
        id=text_at(tree, "id"),
        verb=text_at(tree, "verb"),
        method=text_at(tree, "method"),
        path=text_at(tree, "path"),
        root_path=text_at(tree, "root_path"),
        path_fields=tuple(parse_field(field) for field in items_at(tree, "path_fields")),
        query=tuple(parse_field(field) for field in items_at(tree, "query")),
        body=text_at(tree, "body"),
        answer=text_at(tree, "answer"),
        stream=text_at(tree, "stream") or "json",
        idempotent=bool(at(tree, "idempotent")),
        open=bool(at(tree, "open")),
        summary=text_at(tree, "summary"),
        doc=text_at(tree, "doc"),
    )


def parse_field(tree: Json) -> Field:
    """A field from the index, where what is as usual is left out."""
    low, high = at(tree, "low"), at(tree, "high")
    return Field(
        name=text_at(tree, "name"),
        kind=text_at(tree, "kind") or "string",
        message=text_at(tree, "message"),
        accepted=tuple(word for word in items_at(tree, "accepted") if isinstance(word, str)),
        shape=text_at(tree, "shape") or "one",
        doc=text_at(tree, "doc"),
        low=float(low) if isinstance(low, int | float) else None,
        high=float(high) if isinstance(high, int | float) else None,
        required=bool(at(tree, "required")),
        read_only=bool(at(tree, "read_only")),
        secret=bool(at(tree, "secret")),
    )
