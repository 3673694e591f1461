"""A kind whose spec has messages within messages, which none of the services' has yet; made without protoc."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.servicekit.resources import Kind

_STRING = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
_MESSAGE = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
_PACKAGE = "ultracloud.servicekit.tests"


def _file() -> descriptor_pb2.FileDescriptorProto:
    made = descriptor_pb2.FileDescriptorProto(name="nested_kind.proto", package=_PACKAGE, syntax="proto3")
    made.dependency.append("ultracloud/resource/v1/resource.proto")
    shapes = {
        "Inner": {"a": "", "b": ""},
        "Spec": {"plain": "", "inner": "Inner", "many": "*Inner"},
        "Status": {"said": ""},
        "Thing": {"metadata": ".ultracloud.resource.v1.Metadata", "spec": "Spec", "status": "Status"},
    }
    for name, fields in shapes.items():
        message = made.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), 1):
            inner = kind.lstrip("*")
            message.field.add(
                name=field,
                number=number,
                label=3 if kind.startswith("*") else 1,
                type=_MESSAGE if inner else _STRING,
                type_name=(inner if inner.startswith(".") else f".{_PACKAGE}.{inner}") if inner else None,
            )
    return made


_POOL = descriptor_pool.Default()
_POOL.AddSerializedFile(_file().SerializeToString())
Thing: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.Thing"))
Spec: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.Spec"))
THING: Kind[Any] = Kind(
    name="Thing", prefix="thing", service=VPCS, message=Thing, indexed=("spec.inner.a", "spec.many.b")
)
