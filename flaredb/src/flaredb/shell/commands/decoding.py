"""Stored keys and values as JSON: resource records with their spec and status, text as text, the rest in base64.

A record is taken for one only if it says the kind and id that its key does, so bytes that happen to parse are not shown
as something else. Which message a kind's spec and status are is found among the services' protos, by the kind's name.

Source: `ultracloud.servicekit.resources.layout`; protobuf's JSON mapping.
"""

from __future__ import annotations

import base64
import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from ultracloud import api
from ultracloud.api.flaredb.v1.flaredb_pb2 import KeyValue
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.api.resource.v1.resource_pb2 import Record

Json = dict[str, object]
KEPT = (
    ((b"i", b"*", b"*", b"*"), "IdempotencyRecord"),
    ((b"y", b"r", b"*", b"*"), "AuditRecord"),
    ((b"y", b"h", b"*"), "AuditMark"),
    ((b"y", b"f", b"*"), "AuditMark"),
    ((b"z", b"*", b"*"), "ObjectEvents"),
)
"""Parts of a key, and the message of `resource.proto` below it."""
SHAPE = {"metadata", "spec", "status"}
"""Fields of every kind's message (ADR 0007)."""


def entry(kv: KeyValue, *, keys_only: bool) -> Json:
    """A key, its version and end, and under a name that says how to read it, what it holds."""
    told: Json = {**shown("key", kv.key), "version": kv.version}
    if kv.expires_at_ms:
        told["expires_at_ms"] = kv.expires_at_ms
    return told if keys_only else {**told, **value(kv.key, kv.value)}


def value(key: bytes, stored: bytes) -> Json:
    """What a key holds: as `record`, `text` or `base64`."""
    parts = key.split(b"/")
    match parts:
        case [b"r", kind, identifier]:
            record = _record(kind, identifier, stored)
        case _:
            record = _history(parts, stored)
    return {"record": record} if record else shown("", stored)


def shown(name: str, raw: bytes) -> Json:
    """Bytes as text where they are, otherwise in base64, under a name that says which."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\x00"
    if all(char.isprintable() or char in "\n\t" for char in text):
        return {name or "text": text}
    return {f"{name}_base64".removeprefix("_"): base64.b64encode(raw).decode()}


def _record(kind: bytes, identifier: bytes, stored: bytes) -> Json | None:
    """A resource, None if it is not the one of its key."""
    try:
        record = Record.FromString(stored)
    except DecodeError:
        return None
    if record.kind.encode() != kind or record.metadata.id.encode() != identifier:
        return None
    told = _json(record)
    descriptor = _kinds().get(record.kind)
    for part, raw in (("spec", record.spec), ("status", record.status)):
        told[part] = shown("", raw)
        inner = descriptor.fields_by_name[part].message_type if descriptor is not None else None
        if inner is not None:
            parsed = _parsed(GetMessageClass(inner)(), raw)
            told[part] = told[part] if parsed is None else parsed
    return told


def _history(parts: Sequence[bytes], stored: bytes) -> Json | None:
    """What the kit keeps besides resources, None if it is nothing of that."""
    for places, name in KEPT:
        if len(parts) == len(places) and all(place in (b"*", part) for place, part in zip(places, parts, strict=True)):
            descriptor = resource_pb2.DESCRIPTOR.message_types_by_name.get(name)
            return None if descriptor is None else _parsed(GetMessageClass(descriptor)(), stored)
    return None


def _parsed(empty: Message, raw: bytes) -> Json | None:
    """A message, None if it is not one of this type."""
    try:
        empty.MergeFromString(raw)
    except DecodeError:
        return None
    return _json(empty)


def _json(message: Message) -> Json:
    told: Json = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return told


@cache
def _kinds() -> dict[str, Descriptor]:
    """The message of each kind that any service's protos know."""
    found: dict[str, Descriptor] = {}
    for module in pkgutil.walk_packages(api.__path__, f"{api.__name__}."):
        if module.name.endswith("_pb2"):
            messages = importlib.import_module(module.name).DESCRIPTOR.message_types_by_name
            found |= {name: one for name, one in messages.items() if SHAPE.issubset(one.fields_by_name)}
    return found
