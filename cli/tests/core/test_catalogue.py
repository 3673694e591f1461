"""OpenAPI to the index."""

from ultracloud.cli.core.api import Field, parse_noun
from ultracloud.cli.core.catalogue import compile_index
from ultracloud.cli.core.trees import Json, at

REFERENCE: Json = {"$ref": "#/components/schemas/Disk"}
DOCUMENT: Json = {
    "info": {"version": "1.2.0"},
    "paths": {
        "/v1/organisations/{organisation}/disks/{ref}": {
            "get": {
                "operationId": "disks.get",
                "x-ultracloud": {"service": "ultracloud.coronafs.v1.Disks"},
                "parameters": [{"name": "ref", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"content": {"application/json": {"schema": REFERENCE}}}},
            }
        },
        "/v1/disks/{ref}": {"get": {"operationId": "disks.get_root", "responses": {}}},
        "/v1/disks:watch": {
            "get": {
                "operationId": "disks.watch",
                "security": [],
                "responses": {"200": {"content": {"application/x-ndjson": {"schema": REFERENCE}}}},
            }
        },
    },
    "components": {
        "schemas": {
            "Disk": {
                "properties": {
                    "size": {"type": "integer", "minimum": 1, "maximum": 2147483647},
                    "parts": {"type": "array", "items": REFERENCE},
                    "tags": {"type": "object", "additionalProperties": {"enum": ["A", "B"]}},
                    "key": {"type": "string", "writeOnly": True, "contentEncoding": "base64"},
                    "anything": {},
                }
            }
        }
    },
}


def test_a_noun_has_its_operations_and_fields() -> None:
    index = compile_index(DOCUMENT)
    disk = parse_noun(index["disk"])
    assert (disk.kind, disk.plural, sorted(disk.operations)) == ("Disk", "disks", ["get", "watch"])
    assert disk.operations["get"].root_path == "/v1/disks/{ref}"
    assert (disk.operations["watch"].stream, disk.operations["watch"].open) == ("ndjson", True)
    assert disk.fields("Disk") == (
        Field("size", "integer", low=1.0),
        Field("parts", "message", "Disk", shape="many"),
        Field("tags", "enum", accepted=("A", "B"), shape="map"),
        Field("key", "bytes", secret=True),
        Field("anything", "any"),
    )


def test_the_listing_says_what_help_needs() -> None:
    listed = at(compile_index(DOCUMENT)["nouns"], "nouns", "disk")
    assert listed == {
        "plural": "disks",
        "kind": "Disk",
        "service": "coronafs",
        "summary": "Disks: get, watch.",
        "aliases": ["disks"],
        "verbs": ["get", "watch"],
    }


def test_an_empty_document_has_no_nouns() -> None:
    assert compile_index({}) == {"nouns": {"version": "", "nouns": {}}}
