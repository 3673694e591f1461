"""Words of the API's documentation that all kinds share, and its examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OVERVIEW = """\
One REST/JSON API for everything: `GET`, `POST`, `PATCH` and `DELETE` on resources, `POST .../{ref}:verb` for what is
done to one, `GET ...:watch` for changes as they happen.

- **Who calls** is said by `Authorization: Bearer <token>`.
- **Names or ids** are accepted wherever a resource or a place is named; `-` for a project is every project that you
  may see.
- **JSON**: fields as written here; unknown ones are refused with the nearest known name. What is not set is written
  with its empty value, but messages and times are left out. 64-bit numbers are numbers; versions are text, since they
  are only ever compared and sent back. Times are RFC 3339, bytes are base64.
- **Lists** come in pages: send `next_page_token` back as `page_token`. All pages are of one version.
- **Changes**: `PATCH` takes a merge patch (RFC 7396): what it names is changed, `null` clears. `update_mask` says the
  same explicitly. `If-Match` with an ETag changes only what you have seen. `Idempotency-Key` makes a `POST` harmless
  twice.
- **Watches** are lines of JSON, or server-sent events if you accept `text/event-stream`; they go on with `from_version`
  or `Last-Event-ID`.
- **Errors** are problem details (RFC 9457): match on `code` and `reason`, show `detail` and `hint`, and quote
  `request_id`."""

VERBS: Mapping[str, str] = {
    "Create": "Make {a}",
    "Get": "Read {a}",
    "List": "List {many}",
    "Update": "Change {a}",
    "Delete": "Delete {a}",
    "Watch": "Watch {many}",
    "Start": "Start {a}",
    "Stop": "Stop {a}",
    "Reboot": "Reboot {a}",
    "Console": "Read the console of {a}",
    "Cancel": "Cancel {a}",
    "Wait": "Wait for {a}",
}
WATCH_NOTE = (
    "First what exists, then a `BOOKMARK`, then every change. Each event has a `version`: with `from_version` a watch "
    "goes on behind it without a gap, and without what existed. One that is no longer kept is answered with 410: list "
    "again."
)
SOCKET_NOTE = (
    "As a GET it is read; asked for with `Upgrade: websocket` it is a conversation, in which the address is the first "
    "message. With the subprotocol `ultracloud.raw` frames are bytes, what is typed and what is printed; with "
    "`ultracloud.json`, or without any, each is a message as JSON in a text frame. A page that can set no header field "
    "offers its token as one more subprotocol, `ultracloud.bearer.<token>`. A refusal behind the handshake is a close "
    "code: 4000 and the status."
)
STREAM_NOTE = (
    "Messages as they come, until either side ends: lines of JSON, or events whose `data` is one. Empty lines and "
    "comments are signs of life. What fails in between is told last: a line with `error`, which is a Problem, or an "
    "event of that name."
)
DELETE_NOTE = "It may stay for a while with `deleted_at` set, until what depends on it is gone."

PLACES: Mapping[str, str] = {"organisations": "organisation", "projects": "project"}

FIELDS: Mapping[str, str] = {
    "name": "Unique among its kind in its place: a DNS label.",
    "ref": "Name or id.",
    "project": "Name or id.",
    "service_account": "Name or id.",
    "labels": "Your own words for it, to select by.",
    "idempotency_key": "As the header Idempotency-Key.",
    "etag": "As the header If-Match.",
    "update_mask": "Fields of spec to change, `egress_nat` or `source.image`; `labels` or `labels.tier` for labels. "
    "Without it, what the body names.",
    "spec": "What you want.",
    "status": "What is.",
    "metadata": "What every resource has.",
    "conditions": "What is true of it, each with a reason and a sentence.",
    "description": "For people.",
    "items": "This page.",
    "next_page_token": "Send it as `page_token` for the next page; empty on the last.",
    "version": "Version of the store this is of; a watch from it misses nothing.",
    "type": "What happened.",
    "object": "The resource as it is now, or was last.",
    "label_selector": "Only those with all of these labels.",
    "selector": "Only those whose labels are so: `tier=web,env in (prod,test),!canary`.",
    "filter": "Only those whose fields are so, in the same words: `spec.vpc=vpc-01...`.",
    "keys": "What is typed. Over WebSocket each frame is what is typed next.",
    "id": "Its id.",
    "session": "Id of the session.",
    "kind": "Kind of the resource, `vm`.",
}

EXAMPLES: Mapping[str, Any] = {
    "organisations.create": {"name": "acme", "spec": {"description": "Anvils and more"}},
    "projects.create": {"name": "web", "labels": {"tier": "prod"}, "spec": {"description": "The shop"}},
    "serviceaccounts.create": {"name": "deployer", "spec": {"description": "Rolls out the shop"}},
    "roles.create": {"name": "starter", "spec": {"permissions": ["plasmavmc.vms.start", "plasmavmc.vms.stop"]}},
    "bindings.create": {
        "name": "deployers",
        "spec": {
            "role": "developer",
            "principals": ["serviceaccount:sa-01J9ZQ3V5T7RM6X2K8W4NHBYCD"],
            "resource": "organisations/org-01J9ZQ3V5T7RM6X2K8W4NHBYCE",
        },
    },
    "vpcs.create": {"name": "backend", "spec": {"cidr": "10.0.0.0/16", "egress_nat": True}},
    "vpcs.update": {"spec": {"egress_nat": False}},
    "subnets.create": {"name": "backend-a", "spec": {"vpc": "backend", "cidr": "10.0.1.0/24"}},
    "securitygroups.create": {
        "name": "web",
        "spec": {"rules": [{"direction": "INGRESS", "protocol": "TCP", "port_min": 443, "port_max": 443}]},
    },
    "ports.create": {"name": "web-1", "spec": {"subnet": "backend-a", "security_groups": ["web"]}},
    "images.create": {
        "name": "debian-12",
        "spec": {"format": "QCOW2", "disk_url": "file:///srv/images/debian-12.qcow2"},
    },
    "flavours.create": {"name": "small", "spec": {"vcpus": 1, "memory_mib": 512, "disk_gib": 10}},
    "vms.create": {
        "name": "web-1",
        "labels": {"tier": "web"},
        "spec": {
            "image": "debian-12",
            "flavour": "small",
            "nics": [{"subnet": "backend-a", "security_groups": ["web"]}],
        },
    },
    "vms.update": {"labels": {"tier": "canary"}},
    "vms.start": {},
    "vms.stop": {"force": False},
    "tokens.issue": {"ttl_s": 3600},
    "policy.explain": {
        "principal": "serviceaccount:sa-01J9ZQ3V5T7RM6X2K8W4NHBYCD",
        "permission": "plasmavmc.vms.start",
        "resource": "organisations/org-01J9ZQ3V5T7RM6X2K8W4NHBYCE/projects/prj-01J9ZQ3V5T7RM6X2K8W4NHBYCF",
    },
}

STAMP = "2026-01-02T03:04:05Z"
SAMPLES: Mapping[str, Any] = {
    "map": {"tier": "web"},
    "id": "vm-01J9ZQ3V5T7RM6X2K8W4NHBYCG",
    "name": "web-1",
    "project": "prj-01J9ZQ3V5T7RM6X2K8W4NHBYCF",
    "organisation": "org-01J9ZQ3V5T7RM6X2K8W4NHBYCE",
    "etag": "4f8a2c1b9d3e",
    "cidr": "10.0.0.0/16",
    "address": "10.0.1.5",
    "gateway": "10.0.1.1",
    "mac": "02:00:0a:00:01:05",
    "host": "n1",
    "reason": "Ready",
    "type": "Ready",
    "message": "It works.",
    "finalizers": [],
    "principal": "serviceaccount:sa-01J9ZQ3V5T7RM6X2K8W4NHBYCD",
    "principals": ["serviceaccount:sa-01J9ZQ3V5T7RM6X2K8W4NHBYCD"],
    "email": "ada@example.org",
}
"""Values of the examples, by the field's name."""

REFUSALS: Mapping[str, tuple[str, str]] = {
    "BadRequest": ("400", "The request is wrong; `detail` says what is accepted."),
    "Unauthenticated": ("401", "It is not known who calls."),
    "Forbidden": ("403", "The caller has no right to this, or it does not exist: the answer is the same."),
    "NotFound": ("404", "There is no such thing."),
    "MethodNotAllowed": ("405", "The path does not take this method; `Allow` says which it takes."),
    "Conflict": ("409", "It exists already, somebody else changed it meanwhile, or its state or a quota forbids it."),
    "Gone": ("410", "The version or page is no longer kept: list again."),
    "PreconditionFailed": ("412", "The resource has another etag than If-Match says."),
    "TooLarge": ("413", "The body is too large."),
    "UnsupportedMediaType": ("415", "The body is not JSON."),
    "TooManyRequests": ("429", "Too many requests; `Retry-After` says when to come back."),
    "Internal": ("500", "A defect on our side; the log has `request_id`."),
    "Unavailable": ("503", "A service does not answer; send it again."),
    "Timeout": ("504", "It took too long; it may or may not have happened."),
}
"""By name: the HTTP status, and what it means."""

PROBLEM_EXAMPLE: Mapping[str, Any] = {
    "type": "urn:ultracloud:problem:name_taken",
    "title": "It exists already",
    "status": 409,
    "detail": "a vpc named 'backend' already exists in project 'web'",
    "code": "ALREADY_EXISTS",
    "reason": "NAME_TAKEN",
    "request_id": "4bf92f3577b34da6a3ce929d0e0e4736",
}

PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Names this kind of problem."},
        "title": {"type": "string", "description": "The same sentence for every problem of a code."},
        "status": {"type": "integer", "description": "The HTTP status again."},
        "detail": {"type": "string", "description": "One sentence: what is wrong here, and what is accepted."},
        "code": {
            "type": "string",
            "description": "What a program may do next follows from this.",
            "enum": [
                "CANCELLED",
                "UNKNOWN",
                "INVALID_ARGUMENT",
                "DEADLINE_EXCEEDED",
                "NOT_FOUND",
                "ALREADY_EXISTS",
                "PERMISSION_DENIED",
                "RESOURCE_EXHAUSTED",
                "FAILED_PRECONDITION",
                "ABORTED",
                "OUT_OF_RANGE",
                "UNIMPLEMENTED",
                "INTERNAL",
                "UNAVAILABLE",
                "DATA_LOSS",
                "UNAUTHENTICATED",
            ],
        },
        "reason": {
            "type": "string",
            "pattern": "^[A-Z][A-Z0-9_]*$",
            "description": "A stable word for what exactly it is, `NAME_TAKEN`; left out where `code` says it all.",
        },
        "hint": {"type": "string", "description": "What to do next: a sentence or a command."},
        "request_id": {"type": "string", "description": "As the header X-Request-Id: quote it when you ask for help."},
        "metadata": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": 'What the reason is about, `{"field": "cidr"}`.',
        },
    },
}


def a(kind: str) -> str:
    """``SecurityGroup`` -> ``a security group``, ``Image`` -> ``an image``."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind).strip()
    return f"{'an' if words[:1] in 'aeio' else 'a'} {words}"
