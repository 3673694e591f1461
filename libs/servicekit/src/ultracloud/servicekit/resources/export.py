"""An audit trail as a file: lines of JSON that prove themselves, without the service, the store or the network. Pure.

The first line has, of every chain, the mark behind which it begins and the one it ends with, and iam's signature over
all of them with the service's name and the moment. Then come the records, chain after chain in their order, each with
its stored bytes, over which the chain is made, and beside them the same for people to read; the last line says that it
is the last. So a record that is altered, removed, put in or moved breaks its chain; cutting off a chain's end differs
from its mark, a changed mark from the signature, and a cut file has no last line.

Whose signature it is, the file cannot prove: give `verify` the keys that iam publishes, from a place you trust.

Source: RFC 6962 section 3.5 (signed tree heads), for chains instead of a tree.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.resources.audit import mark_of

FORMAT = "ultracloud-audit-1"
_BEGINNING = b"ultracloud audit heads\0"
"""What every signature begins with, so that none of them can pass as a token's."""


class BrokenExportError(Exception):
    """The file is not as it was written; `line` is where it first shows, counted from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Signature:
    """Who has signed the marks, and when."""

    kid: str
    public_key: bytes
    signed_at_s: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """What a good file is.

    Attributes:
        is_key_known: Whether the key that signed is one the verifier was given.
    """

    service: str
    records: int
    signature: Signature
    is_key_known: bool


Lanes = Sequence[tuple[pb.AuditMark, pb.AuditMark]]
"""Of each chain, behind which mark it begins and with which it ends."""


def digest_of(lanes: Lanes) -> bytes:
    """SHA-256 of all marks, which is what is signed."""
    rendered = json.dumps([[_mark(floor), _mark(head)] for floor, head in lanes], separators=(",", ":"))
    return hashlib.sha256(rendered.encode()).digest()


def signed_text(service: str, signed_at_s: int, digest: bytes) -> bytes:
    """The bytes that iam signs."""
    return _BEGINNING + f"{service}\0{signed_at_s}\0".encode() + digest


def header(service: str, lanes: Lanes, signature: Signature) -> str:
    """The first line."""
    return json.dumps(
        {
            "format": FORMAT,
            "service": service,
            "lanes": [{"floor": _mark(floor), "head": _mark(head)} for floor, head in lanes],
            "signature": {
                "kid": signature.kid,
                "public_key": signature.public_key.hex(),
                "signed_at": signature.signed_at_s,
                "signature": signature.signature.hex(),
            },
        }
    )


def line(stored: bytes) -> str:
    """The line of a record."""
    return json.dumps(_line(stored), ensure_ascii=False)


def footer(count: int) -> str:
    """The last line."""
    return json.dumps({"end": FORMAT, "records": count})


def verify(lines: Iterable[str], keys: Mapping[str, bytes]) -> Verified:
    """Say what a file is, if it is as it was written.

    Args:
        lines: The file's, with or without line ends.
        keys: Public keys of iam that the verifier trusts, by kid; without any, whoever signed is believed.

    Raises:
        BrokenExportError: It is not; the first place that shows it.
    """
    numbered = enumerate(lines, 1)
    service, lanes, signature = _header(numbered)
    _check_signature(service, lanes, signature, keys)
    count, last = _records(numbered, lanes)
    for number, _ in numbered:
        raise BrokenExportError(number, "something stands behind the last line")
    assert last
    return Verified(service, count, signature, signature.kid in keys)


def _header(numbered: Iterator[tuple[int, str]]) -> tuple[str, Lanes, Signature]:
    """The first line."""
    number, text = next(numbered, (1, ""))
    try:
        told = json.loads(text)
        if told["format"] != FORMAT:
            raise BrokenExportError(number, f"the format is not {FORMAT}")
        lanes = [(_parsed_mark(one["floor"]), _parsed_mark(one["head"])) for one in told["lanes"]]
        by = told["signature"]
        signature = Signature(
            str(by["kid"]), bytes.fromhex(by["public_key"]), int(by["signed_at"]), bytes.fromhex(by["signature"])
        )
        return str(told["service"]), lanes, signature
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenExportError(number, "this is not the first line of an export") from error


def _check_signature(service: str, lanes: Lanes, signature: Signature, keys: Mapping[str, bytes]) -> None:
    """The marks are as iam signed them, with a key that is to be believed."""
    if keys and keys.get(signature.kid) != signature.public_key:
        raise BrokenExportError(1, f"key {signature.kid[:40]!a} that has signed is none of those you trust")
    text = signed_text(service, signature.signed_at_s, digest_of(lanes))
    try:
        Ed25519PublicKey.from_public_bytes(signature.public_key).verify(signature.signature, text)
    except (InvalidSignature, ValueError):
        raise BrokenExportError(1, "the signature does not fit: marks, service or moment were changed") from None


def _records(numbered: Iterator[tuple[int, str]], lanes: Lanes) -> tuple[int, bool]:
    """All lines between the first and the last, and the last."""
    lane, last, count, number = 0, lanes[0][0] if lanes else pb.AuditMark(), 0, 1
    for number, text in numbered:
        told = _object(number, text)
        if "end" in told:
            _skip(number, lanes, lane, last, len(lanes))
            if told != {"end": FORMAT, "records": count}:
                raise BrokenExportError(number, f"the last line speaks of another number of records than {count}")
            return count, True
        stored, record = _record(number, told)
        if record.lane != lane:
            if not lane < record.lane < len(lanes):
                raise BrokenExportError(number, f"a record of chain {record.lane} stands among those of chain {lane}")
            _skip(number, lanes, lane, last, record.lane)
            lane, last = record.lane, lanes[record.lane][0]
        if record.sequence != last.sequence + 1:
            raise BrokenExportError(
                number, f"record {record.sequence} of chain {lane} stands where {last.sequence + 1} belongs"
            )
        if record.previous_sha256 != last.sha256:
            raise BrokenExportError(
                number, f"record {record.sequence} of chain {lane} does not follow the one before it: one was altered"
            )
        last, count = mark_of(record.sequence, stored), count + 1
    raise BrokenExportError(number + 1, "the last line is missing: the file was cut off")


def _skip(number: int, lanes: Lanes, lane: int, last: pb.AuditMark, following: int) -> None:
    """A chain has ended, and those up to the next one must have nothing."""
    ends = [(lane, last), *((one, lanes[one][0]) for one in range(lane + 1, following))]
    for one, found in ends[: len(lanes)]:
        head = lanes[one][1]
        if found != head:
            raise BrokenExportError(
                number,
                f"chain {one} ends with record {found.sequence} here, and with {head.sequence} as it was signed: "
                "records were removed or altered",
            )


def _record(number: int, told: Mapping[str, object]) -> tuple[bytes, pb.AuditRecord]:
    """A record's bytes, whose readable form says the same."""
    try:
        stored = base64.b64decode(str(told["record"]), validate=True)
        record = pb.AuditRecord.FromString(stored)
    except (KeyError, binascii.Error, DecodeError):
        raise BrokenExportError(number, "this is no record") from None
    if dict(told) != _line(stored):
        raise BrokenExportError(number, "what it says to people is not what the record says")
    return stored, record


def _object(number: int, text: str) -> dict[str, object]:
    try:
        told = json.loads(text)
    except ValueError:
        raise BrokenExportError(number, "this is no JSON") from None
    if not isinstance(told, dict):
        raise BrokenExportError(number, "this is no record")
    return told


def _line(stored: bytes) -> dict[str, object]:
    """A record for people, with its bytes."""
    shown = MessageToDict(pb.AuditRecord.FromString(stored), preserving_proto_field_name=True)
    shown.pop("previous_sha256", None)
    return {**shown, "record": base64.b64encode(stored).decode()}


def _mark(mark: pb.AuditMark) -> list[object]:
    return [mark.sequence, mark.sha256.hex()]


def _parsed_mark(told: Sequence[object]) -> pb.AuditMark:
    sequence, digest = told
    return pb.AuditMark(sequence=int(str(sequence)), sha256=bytes.fromhex(str(digest)))
