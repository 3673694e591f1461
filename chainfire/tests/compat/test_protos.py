"""The protos against etcd's own: its server carries compressed descriptors of them, so nothing is compared by eye."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from compat.programs import needs, program
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.message import DecodeError

from ultracloud.api.etcd import auth_pb2, election_pb2, kv_pb2, lock_pb2, rpc_pb2
from ultracloud.testkit import golden

GZIP = b"\x1f\x8b\x08"
DESCRIPTOR_BYTES_MAX = 200_000
FILES = {"rpc.proto", "kv.proto", "auth.proto", "v3lock.proto", "v3election.proto"}
NEWER = {
    "etcdserverpb.HashKVResponse 4 hash_revision: int64",
    "etcdserverpb.SnapshotResponse 4 version: string",
}
"""What etcd has since 3.6; a 3.5 client passes it over."""


def test_every_service_message_and_number_is_in_the_golden_table() -> None:
    golden.check(Path(__file__).parent.parent / "golden" / "etcd_api.txt", "\n".join(ours()) + "\n")


@needs("3.5")
def test_the_protos_have_what_the_server_of_etcd_has_and_nothing_else() -> None:
    path = program("etcd", "3.5")
    assert path is not None
    theirs = {line for file in descriptors(Path(path).read_bytes()) if file.name in FILES for line in table(file)}
    assert set(ours()) - theirs == NEWER
    assert theirs - set(ours()) == set()


def ours() -> list[str]:
    """The table of our protos."""
    lines: list[str] = []
    for module in (rpc_pb2, kv_pb2, auth_pb2, lock_pb2, election_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        lines += table(file)
    return lines


def descriptors(program_bytes: bytes) -> Iterator[FileDescriptorProto]:
    """The descriptors that a Go program carries."""
    at = program_bytes.find(GZIP)
    while at >= 0:
        try:
            text = zlib.decompressobj(wbits=31).decompress(program_bytes[at : at + DESCRIPTOR_BYTES_MAX])
            yield FileDescriptorProto.FromString(text)
        except (zlib.error, DecodeError):
            pass  # Three bytes that only look like a beginning.
        at = program_bytes.find(GZIP, at + len(GZIP))


def table(file: FileDescriptorProto) -> Iterator[str]:
    """One line for each method, field and number of an enumeration."""
    for service in file.service:
        for method in service.method:
            streams = ["stream " if flag else "" for flag in (method.client_streaming, method.server_streaming)]
            taken, given = method.input_type.lstrip("."), method.output_type.lstrip(".")
            yield f"rpc {file.package}.{service.name}/{method.name} {streams[0]}{taken} -> {streams[1]}{given}"
    for message in file.message_type:
        yield from message_lines(message, file.package)
    for enum in file.enum_type:
        yield from enum_lines(enum, file.package)


def message_lines(message: DescriptorProto, scope: str) -> Iterator[str]:
    """The lines of a message and what is inside it."""
    name = f"{scope}.{message.name}"
    if not message.field:
        yield f"{name} empty"
    for field in message.field:
        kind = field.type_name.lstrip(".") or FieldDescriptorProto.Type.Name(field.type)[5:].lower()
        many = "repeated " if field.label == FieldDescriptorProto.LABEL_REPEATED else ""
        choice = f" of {message.oneof_decl[field.oneof_index].name}" if field.HasField("oneof_index") else ""
        yield f"{name} {field.number} {field.name}: {many}{kind}{choice}"
    for enum in message.enum_type:
        yield from enum_lines(enum, name)
    for nested in message.nested_type:
        yield from message_lines(nested, name)


def enum_lines(enum: EnumDescriptorProto, scope: str) -> Iterator[str]:
    """The lines of an enumeration."""
    for value in enum.value:
        yield f"{scope}.{enum.name} {value.number} = {value.name}"
