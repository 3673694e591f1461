"""Make `/openapi.json` of the protos: what `ultracloud.api.rest.routes` finds, described by the protos' comments.

The gateway serves the file, the command line is made of it, and tests ask a running gateway whether it is true. Words
that every kind shares stand in `openapi_words`, so that a proto need not repeat them.

Source: OpenAPI 3.1.1; JSON Schema 2020-12; RFC 9457.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tools import gen
from tools.openapi_comments import Comments
from tools.openapi_schemas import Schemas
from tools.openapi_words import (
    DELETE_NOTE,
    EXAMPLES,
    FIELDS,
    OVERVIEW,
    PLACES,
    PROBLEM,
    PROBLEM_EXAMPLE,
    REFUSALS,
    SOCKET_NOTE,
    STREAM_NOTE,
    VERBS,
    WATCH_NOTE,
    a,
)
from tools.workspace import ROOT
from ultracloud.api.rest.descriptors import descriptor_of, fields_by_name, is_map
from ultracloud.api.rest.routes import MOUNT, PLACE, Route, all_routes

FILE = ROOT / "api" / "src" / "ultracloud" / "api" / "rest" / "openapi.json"
VERSION = "1.0.0"
ERROR_TYPE = "application/problem+json"
JSON, LINES, EVENTS, MERGE = (
    "application/json",
    "application/x-ndjson",
    "text/event-stream",
    "application/merge-patch+json",
)
Node = dict[str, Any]


def main() -> int:
    """Write the document, or with --check say whether it is current."""
    parser = argparse.ArgumentParser(prog="python -m tools.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the document is out of date")
    check = parser.parse_args().check
    made = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if not check:
        FILE.write_text(made)
    elif not FILE.exists() or FILE.read_text() != made:
        sys.stderr.write("api/openapi.json is not what the protos say; run ./dev gen\n")
        return 1
    return 0


def document() -> Node:
    """The whole document."""
    comments = read_comments()
    routes = all_routes()
    schemas = Schemas(comments, FIELDS)
    for route in routes:
        schemas.take_input(descriptor_of(route.rpc.request_type))
    paths: dict[str, Node] = {}
    for route in routes:
        paths.setdefault(shown_path(route), {})[route.http_method.lower()] = operation(route, comments, schemas)
    services = {route.service.name: route for route in routes}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "UltraCloud",
            "version": VERSION,
            "summary": "A full cloud stack for your own machines.",
            "description": OVERVIEW,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The gateway this document came from."}],
        "security": [{"bearer": []}],
        "tags": [
            {"name": tag(route), "description": comments.of(name) or f"Of {route.backends[0]}."}
            for name, route in services.items()
        ],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**schemas.made(), "Problem": PROBLEM},
            "examples": schemas.examples(),
            "responses": {name: refusal(text) for name, (_, text) in REFUSALS.items()},
            "headers": HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of iam, or a personal access token.",
                }
            },
        },
    }


def read_comments() -> Comments:
    """The comments of all protos."""
    with tempfile.TemporaryDirectory() as scratch:
        return Comments((gen.make(Path(scratch)).parent / "descriptors.bin").read_bytes())


def tag(route: Route) -> str:
    """The group an operation is in."""
    return route.operation.partition(".")[0]


def shown_path(route: Route) -> str:
    """The path, with the place named for what it is: ``/v1/organisations/{organisation}/roles``."""
    return route.template.text.replace("{project}", f"{{{place_name(route)}}}")


def place_name(route: Route) -> str:
    """How the place's variable is called."""
    return PLACES.get(route.place, PLACE)


def operation(route: Route, comments: Comments, schemas: Schemas) -> Node:
    """One operation."""
    rpc = f"{route.service.name}.{route.rpc.name}"
    kind = kind_name(route)
    summary, description = words(route, comments.of(rpc), kind)
    made: Node = {
        "operationId": route.operation,
        "tags": [tag(route)],
        "summary": summary,
        "description": description,
        "parameters": parameters(route, comments, schemas),
    }
    if not made["description"]:
        del made["description"]
    if route.body:
        made["requestBody"] = request_body(route, schemas)
    made["responses"] = responses(route, schemas)
    if route.is_open:
        made["security"] = []
    made["x-ultracloud"] = {
        "service": route.service.name,
        "rpc": route.rpc.name,
        "kind": kind,
        "backends": list(route.backends),
        "stream": route.rpc.server_streaming,
    }
    return made


def kind_name(route: Route) -> str:
    """What the operation is about, ``SecurityGroup``; empty where that is no resource."""
    names = {method.name: method for method in route.service.methods}
    return names["Get"].response_type.DESCRIPTOR.name if {"Create", "Get", "Watch"} <= set(names) else ""


def words(route: Route, comment: str, kind: str) -> tuple[str, str]:
    """Summary and description."""
    general = VERBS.get(route.rpc.name, "").format(a=a(kind), one=spaced(kind), many=f"{spaced(kind)}s") if kind else ""
    if route.operation.endswith("_root") and general:
        general += " at the root of the cloud"
    text = comment or general or f"{spaced(route.rpc.name).capitalize()}"
    summary = re.split(r"(?<=[.:;]) ", text, maxsplit=1)[0].rstrip(".:;")
    notes = [comment if comment and comment.rstrip(".") != summary else ""]
    notes += [WATCH_NOTE] if route.rpc.name == "Watch" and kind else []
    notes += [SOCKET_NOTE] if is_conversation(route) else []
    notes += [DELETE_NOTE] if route.rpc.name == "Delete" and kind else []
    return summary, "\n\n".join(note for note in notes if note)


def is_conversation(route: Route) -> bool:
    """Whether both sides stream, so that it is a WebSocket too."""
    return bool(route.rpc.client_streaming and route.rpc.server_streaming)


def spaced(name: str) -> str:
    """``SecurityGroup`` -> ``security group``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def parameters(route: Route, comments: Comments, schemas: Schemas) -> list[Node]:
    """What stands in the path, the query and the header."""
    request = descriptor_of(route.rpc.request_type)
    path = [path_parameter(route, name, request, comments, schemas) for name in route.template.variables]
    query = [query_parameter(field, comments, schemas) for field in route.query_fields()]
    return [*path, *query, *header_parameters(route, request)]


def query_parameter(field: FieldDescriptor, comments: Comments, schemas: Schemas) -> Node:
    """A field that stands in the query; a map's entries as ``labels[tier]=web``."""
    made: Node = {"name": field.name, "in": "query"}
    made |= {"description": described(comments, field), "schema": schemas.query(field)}
    return {**made, "style": "deepObject", "explode": True} if is_map(field) else made


def path_parameter(route: Route, name: str, request: Descriptor, comments: Comments, schemas: Schemas) -> Node:
    """A variable of the path."""
    if name == MOUNT:
        schema: Node = {"type": "string", "enum": list(route.backends)}
        return {
            "name": name,
            "in": "path",
            "required": True,
            "description": "Which service is asked.",
            "schema": schema,
        }
    shown, text = name, described(comments, fields_by_name(request)[name])
    if name == PLACE:
        shown = place_name(route)
        text = f"The {shown}, by name or id."
    schema = schemas.query(fields_by_name(request)[name])
    if schema.get("type") == "string":
        schema = {**schema, "minLength": 1}
    return {"name": shown, "in": "path", "required": True, "description": text, "schema": schema}


def header_parameters(route: Route, request: Descriptor) -> list[Node]:
    """Header fields that stand for fields of the request."""
    text = {"type": "string", "maxLength": 200}
    made = []
    if "idempotency_key" in fields_by_name(request):
        about = "The same key with the same request makes one resource, however often it is sent."
        made.append({"name": "Idempotency-Key", "in": "header", "description": about, "schema": text})
    if "etag" in fields_by_name(request):
        about = "Only if the resource still has this etag; 412 if not."
        made.append({"name": "If-Match", "in": "header", "description": about, "schema": text})
    if route.rpc.name == "Get":
        about = "Answer 304 if the resource still has this etag."
        made.append({"name": "If-None-Match", "in": "header", "description": about, "schema": text})
    if route.rpc.name == "Watch":
        about = "The version that was seen last, as `from_version`: what browsers send when they connect again."
        made.append({"name": "Last-Event-ID", "in": "header", "description": about, "schema": text})
    return made


def described(comments: Comments, field: FieldDescriptor) -> str:
    """What a field is."""
    return comments.of(field.full_name) or FIELDS.get(field.name, "")


def request_body(route: Route, schemas: Schemas) -> Node:
    """What is sent."""
    schema = schemas.body(route)
    content: Node = {"schema": schema}
    if route.operation in EXAMPLES:
        content["examples"] = {"typical": {"value": EXAMPLES[route.operation]}}
    types = [JSON, MERGE] if route.http_method == "PATCH" else [JSON]
    is_needed = route.rpc.name in ("Create", "Update")
    return {"required": is_needed, "content": dict.fromkeys(types, content)}


def responses(route: Route, schemas: Schemas) -> Node:
    """What is answered."""
    answer = descriptor_of(route.rpc.response_type)
    schema = schemas.reference(answer)
    if route.rpc.server_streaming:
        content: Node = {LINES: {"schema": schema}, EVENTS: {"schema": {"type": "string"}}}
        good: Node = {"200": {"description": STREAM_NOTE, "content": content}}
        if is_conversation(route):
            good["101"] = {"description": "A WebSocket follows."}
    else:
        headers = {"ETag": {"$ref": "#/components/headers/ETag"}} if "metadata" in answer.fields_by_name else {}
        example = {JSON: {"schema": schema, "examples": {"typical": schemas.example_of(answer)}}}
        status = "201" if route.rpc.name == "Create" else "200"
        good = {status: {"description": "Done.", "headers": {**headers, **LIMIT_REFERENCES}, "content": example}}
    if route.rpc.name == "Get":
        good["304"] = {"description": "It still has the etag of If-None-Match."}
    wrong = {code: name for name, (code, _) in REFUSALS.items() if is_possible(route, code)}
    return {**good, **{code: {"$ref": f"#/components/responses/{name}"} for code, name in sorted(wrong.items())}}


def is_possible(route: Route, code: str) -> bool:
    """Whether an operation can be refused in this way."""
    fields = fields_by_name(descriptor_of(route.rpc.request_type))
    match code:
        case "412":
            return "etag" in fields
        case "413" | "415":
            return bool(route.body)
        case "410":
            return route.rpc.name in ("List", "Watch")
        case _:
            return True


def refusal(text: str) -> Node:
    """A response that says what is wrong."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {ERROR_TYPE: {"schema": schema, "examples": {"typical": {"value": PROBLEM_EXAMPLE}}}}
    return {
        "description": text,
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        "content": content,
    }


HEADERS: Mapping[str, Node] = {
    "ETag": {"description": "Of the resource; send it back as If-Match.", "schema": {"type": "string"}},
    "X-Request-Id": {
        "description": "Names this request in logs, traces and the audit trail.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "RateLimit": {
        "description": 'What is left: `"principal";r=99;t=1`, requests and seconds until it is full again.',
        "schema": {"type": "string"},
    },
}
LIMIT_REFERENCES: Mapping[str, Node] = {
    name: {"$ref": f"#/components/headers/{name}"} for name in ("RateLimit", "X-Request-Id")
}

if __name__ == "__main__":
    sys.exit(main())
