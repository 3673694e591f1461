"""An exported audit trail: whole, or refused with the place."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.resources import audit
from ultracloud.servicekit.resources.export import (
    BrokenExportError,
    Signature,
    digest_of,
    footer,
    header,
    line,
    signed_text,
    verify,
)

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {"k1": PRIVATE.public_key().public_bytes_raw()}


def signed(lanes: list[tuple[pb.AuditMark, pb.AuditMark]], service: str = "iam") -> Signature:
    text = signed_text(service, 1000, digest_of(lanes))
    return Signature("k1", PRIVATE.public_key().public_bytes_raw(), 1000, PRIVATE.sign(text))


def exported(*lengths: int, first: int = 1) -> list[str]:
    """A file with chains of these lengths; the first has lost what was before record `first`."""
    lanes, lines = [], []
    for lane, length in enumerate(lengths):
        floor = last = audit.START if lane else pb.AuditMark(sequence=first - 1, sha256=b"\x07" * 32)
        for number in range(length):
            draft = pb.AuditRecord(principal=f"user:{number}", permission="iam.projects.create", resource=f"p/{lane}")
            stored, last = audit.sealed(draft, lane, last)
            lines.append(line(stored))
        lanes.append((floor, last))
    return [header("iam", lanes, signed(lanes)), *lines, footer(len(lines))]


def broken(lines: list[str], keys: dict[str, bytes] | None = None) -> BrokenExportError:
    with pytest.raises(BrokenExportError) as caught:
        verify(lines, KEYS if keys is None else keys)
    return caught.value


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(1, 9))
def test_what_was_exported_is_whole(lengths: list[int], first: int) -> None:
    found = verify(exported(*lengths, first=first), KEYS)
    assert (found.service, found.records, found.is_key_known) == ("iam", sum(lengths), True)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.data())
def test_a_removed_line_is_missed(lengths: list[int], data: st.DataObject) -> None:
    lines = exported(*lengths)
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    broken(lines)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.data())
def test_two_lines_that_changed_places_are_found(lengths: list[int], data: st.DataObject) -> None:
    lines = exported(*lengths)
    one, other = data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
    lines[one], lines[other] = lines[other], lines[one]
    broken(lines)


@given(st.data())
def test_any_other_character_anywhere_is_found(data: st.DataObject) -> None:
    lines = exported(2, 0, 1)
    number = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[number]) - 1))
    character = data.draw(st.sampled_from('0aZ}"{ '))
    changed = f"{lines[number][:at]}{character}{lines[number][at + 1 :]}"
    if json_or_none(changed) != json_or_none(lines[number]):
        lines[number] = changed
        broken(lines)


def json_or_none(text: str) -> object:
    """What a line says; how it is written does not matter."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def test_the_first_broken_place_is_named() -> None:
    lines = exported(3, 2)
    altered = json.loads(lines[2])
    altered["principal"] = "user:eve"
    assert str(broken([*lines[:2], json.dumps(altered), *lines[3:]])).startswith("line 3: what it says to people")
    assert str(broken([*lines[:2], *lines[3:]])).startswith("line 3: record 3 of chain 0 stands where 2 belongs")
    assert "line 4: chain 0 ends with record 2 here, and with 3 as it was signed" in str(
        broken([*lines[:3], *lines[4:]])
    )
    assert str(broken(lines[:-1])) == "line 7: the last line is missing: the file was cut off"
    assert "behind the last line" in str(broken([*lines, lines[-1]]))


def test_a_cut_end_with_marks_to_match_is_not_signed() -> None:
    shorter = exported(2)
    whole = json.loads(exported(3)[0])
    forged = {**json.loads(shorter[0]), "signature": whole["signature"]}
    assert "the signature does not fit" in str(broken([json.dumps(forged), *shorter[1:]]))


def test_another_service_or_another_signer_is_refused() -> None:
    lines = exported(1)
    other = {**json.loads(lines[0]), "service": "prismnet"}
    assert "the signature does not fit" in str(broken([json.dumps(other), *lines[1:]]))
    assert "none of those you trust" in str(broken(lines, {"k2": bytes(32)}))
    assert verify(lines, {}).is_key_known is False


def test_an_empty_file_is_no_export() -> None:
    assert str(broken([])) == "line 1: this is not the first line of an export"
