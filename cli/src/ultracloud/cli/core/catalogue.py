"""OpenAPI to the index: one small tree a noun, with what its commands need and nothing else.

`./dev gen` runs this over api/openapi.json. Reading the whole document takes longer than a command may; a noun's part
takes a millisecond.

Source: OpenAPI 3.1, operations, parameters and schemas.
"""

from __future__ import annotations

from collections.abc import Iterator

from ultracloud.cli.core.trees import Json, at, items_at, table_at, text_at

METHODS = ("get", "post", "put", "patch", "delete")
JSON_TYPE = "application/json"
LINES_TYPE = "application/x-ndjson"
ROOT_SUFFIX = "_root"
"""Of operations that do at the root of the cloud what another does in an organisation."""
NEVER_ANSWERED = "Never in an answer"
"""How the protos say what OpenAPI has no word for."""
NUMBERS_OF_WIDTH = frozenset({-(2**31), 2**31 - 1, -(2**63), 2**63 - 1})
"""Bounds that only say how many bits a number has."""
SINGULAR = {"policy": "policy", "trail": "trail", "status": "status", "access": "access"}
ALIASES = {
    "vpc": ("network",),
    "securitygroup": ("sg", "security-group"),
    "serviceaccount": ("sa", "service-account"),
    "organisation": ("org", "orgs", "organization"),
    "flavour": ("flavor",),
    "accesskey": ("access-key",),
    "jointoken": ("join-token",),
    "personaltoken": ("pat", "personal-token"),
    "oidcclient": ("oidc-client",),
}


SUMMARIES = {
    "accesskey": "Keys for S3",
    "binding": "Who has which role where",
    "ca": "The cluster's certificate authority",
    "environment": "Parts of a project: production, staging",
    "credential": "Passwords, authenticator apps, security keys, invites",
    "flavour": "Sizes of virtual machines",
    "group": "Users and accounts that bindings name at once",
    "host": "Machines that run virtual machines",
    "image": "What virtual machines boot",
    "jointoken": "What lets a machine or a service in, once",
    "oidcclient": "Programs that people log in to with this cloud",
    "operation": "Work that takes long",
    "organisation": "Tenants",
    "personaltoken": "Tokens for scripts of a person",
    "policy": "Who may do what, and why",
    "port": "Network interfaces with their addresses",
    "project": "Where resources live",
    "quota": "What a project may have, and has",
    "role": "Named sets of permissions",
    "secret": "Secrets, encrypted",
    "securitygroup": "Firewall rules",
    "serviceaccount": "Identities of programs",
    "session": "Where you are logged in",
    "subnet": "Address ranges of private networks",
    "token": "Access tokens",
    "trail": "What happened: audit and events",
    "user": "People",
    "vm": "Virtual machines",
    "vpc": "Private networks",
}
"""What `uc --help` says of nouns; of others it lists the verbs."""


def compile_index(document: Json) -> dict[str, Json]:
    """File name -> content: `nouns` lists all, the rest is one noun each."""
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for method, path, operation in _operations(document):
        plural, _, _ = text_at(operation, "operationId").partition(".")
        groups.setdefault(plural, []).append((method, path, operation))
    listing: dict[str, Json] = {}
    index: dict[str, Json] = {}
    for plural, operations in sorted(groups.items()):
        noun = _noun(document, plural, operations)
        name = text_at(noun, "name")
        index[name] = noun
        listing[name] = {
            "plural": plural,
            "kind": text_at(noun, "kind"),
            "service": _service(operations),
            "summary": text_at(noun, "summary"),
            "aliases": [*([plural] if plural != name else []), *ALIASES.get(name, ())],
            "verbs": [text_at(operation, "verb") for operation in items_at(noun, "operations")],
        }
    index["nouns"] = {"version": text_at(document, "info", "version"), "nouns": listing}
    return index


def _service(operations: list[tuple[str, str, Json]]) -> str:
    """Whose a noun is: `iam` of `ultracloud.iam.v1.Users`."""
    names = (text_at(operation, "x-ultracloud", "service") for _, _, operation in operations)
    return next((name.removeprefix("ultracloud.").partition(".")[0] for name in names if name), "")


def singular(plural: str) -> str:
    """`vms` -> `vm`, `policies` -> `policy`."""
    if plural in SINGULAR:
        return SINGULAR[plural]
    if plural.endswith("ies"):
        return plural[:-3] + "y"
    return plural[:-1] if plural.endswith("s") and not plural.endswith("ss") else plural


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in sorted(table_at(document, "paths").items()):
        for method in METHODS:
            operation = at(methods, method)
            if operation is not None and "." in text_at(operation, "operationId"):
                yield method.upper(), path, operation


def _noun(document: Json, plural: str, operations: list[tuple[str, str, Json]]) -> dict[str, Json]:
    name = singular(plural)
    # Kinds have a get that answers the kind; others are groups of calls.
    kind = next((_answer(op) for _, _, op in operations if text_at(op, "operationId").endswith(".get")), "")
    schemas: dict[str, Json] = {}
    made: dict[str, dict[str, Json]] = {}
    for method, path, operation in operations:
        verb = text_at(operation, "operationId").partition(".")[2]
        if verb.endswith(ROOT_SUFFIX):
            continue
        made[verb] = _operation(verb, method, path, operation, schemas)
    for _method, path, operation in operations:
        verb = text_at(operation, "operationId").partition(".")[2]
        if verb.endswith(ROOT_SUFFIX) and verb.removesuffix(ROOT_SUFFIX) in made:
            made[verb.removesuffix(ROOT_SUFFIX)]["root_path"] = path
    answers = {text_at(operation, "answer") for operation in made.values()}
    for schema in sorted({kind, *answers} - {""}):
        _add_schema(document, schema, schemas)
    for fields in list(schemas.values()):
        for field in items_at({"fields": fields}, "fields"):
            _add_schema(document, text_at(field, "message"), schemas)
    tag = next((t for t in items_at(document, "tags") if text_at(t, "name") == plural), None)
    return {
        "name": name,
        "plural": plural,
        "kind": kind,
        "summary": _summary(name, plural, kind, text_at(tag, "description"), list(made)),
        "operations": [made[verb] for verb in sorted(made)],
        "schemas": {key: schemas[key] for key in sorted(schemas)},
    }


def _summary(name: str, plural: str, kind: str, described: str, verbs: list[str]) -> str:
    """What `uc --help` says of a noun."""
    if name in SUMMARIES:
        return SUMMARIES[name]
    words = plural if kind else name
    said = ", ".join(verb.replace("_", "-") for verb in sorted(verbs)[:9])
    return described if described and not described.startswith("Of ") else f"{words.capitalize()}: {said}."


def _operation(verb: str, method: str, path: str, operation: Json, schemas: dict[str, Json]) -> dict[str, Json]:
    made: dict[str, Json] = {
        "id": text_at(operation, "operationId"),
        "verb": verb.replace("_", "-"),
        "method": method,
        "path": path,
        "summary": text_at(operation, "summary"),
        "answer": _answer(operation),
    }
    if description := text_at(operation, "description"):
        made["doc"] = description
    if at(operation, "security") == []:
        made["open"] = True
    query = [p for p in items_at(operation, "parameters") if text_at(p, "in") == "query"]
    if query:
        made["query"] = [_parameter(parameter) for parameter in query]
    places = [p for p in items_at(operation, "parameters") if text_at(p, "in") == "path"]
    made["path_fields"] = [_parameter(parameter) for parameter in places]
    headers = {text_at(p, "name") for p in items_at(operation, "parameters") if text_at(p, "in") == "header"}
    if "Idempotency-Key" in headers:
        made["idempotent"] = True
    contents = table_at(operation, "requestBody", "content")
    if JSON_TYPE in contents:
        body = at(contents, JSON_TYPE, "schema")
        reference = text_at(body, "$ref").rpartition("/")[2]
        made["body"] = reference or f"{verb} request"
        if not reference:
            schemas[f"{verb} request"] = _fields(body)
    if LINES_TYPE in table_at(_success(operation), "content"):
        made["stream"] = "ndjson"
    return made


def _success(operation: Json) -> Json:
    answers = table_at(operation, "responses")
    return next((answers[code] for code in ("200", "201", "202", "204") if code in answers), None)


def _answer(operation: Json) -> str:
    contents = table_at(_success(operation), "content")
    for kind in (JSON_TYPE, LINES_TYPE):
        if kind in contents:
            return text_at(contents, kind, "schema", "$ref").rpartition("/")[2]
    return ""


def _parameter(parameter: Json) -> dict[str, Json]:
    field = _field(text_at(parameter, "name"), at(parameter, "schema"), required=at(parameter, "required") is True)
    return {**field, **({"doc": text_at(parameter, "description")} if text_at(parameter, "description") else {})}


def _add_schema(document: Json, name: str, schemas: dict[str, Json]) -> None:
    """A schema with all that its fields refer to; each once, so rings end."""
    if not name or name in schemas:
        return
    schema = at(document, "components", "schemas", name)
    if schema is None:
        return
    fields = _fields(schema)
    schemas[name] = fields
    for field in fields:
        _add_schema(document, text_at(field, "message"), schemas)


def _fields(schema: Json) -> list[Json]:
    required = items_at(schema, "required")
    return [_field(name, field, required=name in required) for name, field in table_at(schema, "properties").items()]


def _field(name: str, schema: Json, *, required: bool) -> dict[str, Json]:
    made: dict[str, Json] = {"name": name}
    inner, shape = schema, "one"
    if text_at(schema, "type") == "array":
        inner, shape = at(schema, "items"), "many"
    elif isinstance(at(schema, "additionalProperties"), dict):
        inner, shape = at(schema, "additionalProperties"), "map"
    made.update(_kind(inner))
    made.update({"shape": shape} if shape != "one" else {})
    made.update({"doc": text_at(schema, "description")} if text_at(schema, "description") else {})
    flags = {"required": required, "read_only": at(schema, "readOnly"), "secret": at(schema, "writeOnly")}
    made.update({key: True for key, value in flags.items() if value is True})
    if text_at(inner, "format") == "password" or NEVER_ANSWERED in text_at(schema, "description"):
        made["secret"] = True
    return made


def _kind(schema: Json) -> dict[str, Json]:  # noqa: PLR0911 - a line a kind
    reference = (
        text_at(schema, "$ref").rpartition("/")[2]
        or text_at(next(iter(items_at(schema, "allOf")), None), "$ref").rpartition("/")[2]
    )
    if reference:
        return {"kind": "message", "message": reference}
    if words := items_at(schema, "enum"):
        return {"kind": "enum", "accepted": words}
    kind, form = text_at(schema, "type"), text_at(schema, "format")
    if kind in ("integer", "number"):
        bounds = {"low": at(schema, "minimum"), "high": at(schema, "maximum")}
        known = {key: value for key, value in bounds.items() if value is not None and value not in NUMBERS_OF_WIDTH}
        return {"kind": kind, **known}
    if kind == "boolean":
        return {"kind": "boolean"}
    if kind == "string":
        if text_at(schema, "contentEncoding") == "base64" or form == "byte":
            return {"kind": "bytes"}
        return {"kind": "time"} if form == "date-time" else {}
    return {"kind": "any"}
