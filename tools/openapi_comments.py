"""The comments of the protos, by the full name of what they stand at.

Source: google/protobuf/descriptor.proto, SourceCodeInfo.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet

Place = tuple[int, ...]
MESSAGES, ENUMS, SERVICES = 4, 5, 6
"""Field numbers of FileDescriptorProto."""
FIELDS, NESTED, NESTED_ENUMS = 2, 3, 4
"""Of DescriptorProto; VALUES and METHODS are those of enums and services."""
VALUES = METHODS = 2


class Comments:
    """Leading comments, one line each.

    Args:
        descriptors: A FileDescriptorSet with source info, serialised.
    """

    def __init__(self, descriptors: bytes) -> None:
        self._by_name: dict[str, str] = {}
        for file in FileDescriptorSet.FromString(descriptors).file:
            names = dict(_names(file))
            for location in file.source_code_info.location:
                name = names.get(tuple(location.path))
                if name and location.leading_comments:
                    self._by_name[name] = " ".join(location.leading_comments.split())

    def of(self, name: str) -> str:
        """The comment at a message, field, enum, value, service or RPC; empty without one."""
        text = self._by_name.get(name, "")
        return "" if text.startswith("----") else text


def _names(file: FileDescriptorProto) -> Iterator[tuple[Place, str]]:
    for index, message in enumerate(file.message_type):
        yield from _message((MESSAGES, index), f"{file.package}.{message.name}", message)
    yield from _enums((ENUMS,), file.package, file.enum_type)
    for index, service in enumerate(file.service):
        name = f"{file.package}.{service.name}"
        yield (SERVICES, index), name
        for number, method in enumerate(service.method):
            yield (SERVICES, index, METHODS, number), f"{name}.{method.name}"


def _message(place: Place, name: str, message: DescriptorProto) -> Iterator[tuple[Place, str]]:
    yield place, name
    for index, field in enumerate(message.field):
        yield (*place, FIELDS, index), f"{name}.{field.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _message((*place, NESTED, index), f"{name}.{nested.name}", nested)
    yield from _enums((*place, NESTED_ENUMS), name, message.enum_type)


def _enums(place: Place, scope: str, enums: Sequence[EnumDescriptorProto]) -> Iterator[tuple[Place, str]]:
    for index, enum in enumerate(enums):
        yield (*place, index), f"{scope}.{enum.name}"
        for number, value in enumerate(enum.value):
            # A value's name in protobuf stands beside its enum's, not below it; ours tells them apart.
            yield (*place, index, VALUES, number), f"{scope}.{enum.name}.{value.name}"
