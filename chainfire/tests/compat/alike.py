"""Answers without what differs by nature between two servers that answer alike: ids, terms, sizes, versions, times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_NUMBERS = (
    "cluster_id|member_id|raft_term|raftTerm|leader|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse|hash|ID|MemberID|memberID"
    "|totalSize|size"
)
_FIELDS = (
    "ClusterID|MemberID|RaftTerm|Raft Term|RaftIndex|Raft Index|RaftAppliedIndex|DB Size|DBSize|DBSizeInUse"
    "|DB Size In Use|StorageVersion|Leader|Hash|Size|ID|Lease|LeaseID|TTL"
)
PATTERNS = (
    (re.compile(rf'"({_NUMBERS})":\d+'), r'"\1":N'),
    (re.compile(rf'"({_FIELDS})"\s*:\s*-?\d+'), r'"\1" : N'),
    (re.compile(r'"(lease|leaseid|id)":\d{9,}'), r'"\1":N'),
    (re.compile(r'"(version|Version)"\s*:\s*"[\d.]+"'), r'"\1":"V"'),
    (re.compile(r"took\s*=\s*[\d.]+[a-zµ]+"), "took = T"),
    (re.compile(r"(127\.0\.0\.1|localhost):\d+"), "ADDRESS"),
    (re.compile(r"\b[0-9a-f]{13,16}\b"), "ID"),
    (re.compile(r"\b\d{17,20}\b"), "N"),
    (re.compile(r'"ttl":(99|100)\b'), '"ttl":T'),
    (re.compile(r'"took":"[^"]*"'), '"took":"T"'),
    (re.compile(r"\b\d+(\.\d+)?(ms|s|µs)\b"), "T"),
    (re.compile(r"remaining\(-?\d+s?\)|remaining\(T\)"), "remaining(T)"),
    (re.compile(r"\b\d+(\.\d+)? ?(B|kB|MB|KB)\b"), "SIZE"),
    (re.compile(r"[0-9.]+ writes/s"), "R writes/s"),
    # Tables are drawn as wide as their ids.
    (re.compile(r"[-+]{3,}"), "---"),
    (re.compile(r" {2,}"), " "),
)
"""Patterns of what differs, and what stands for it."""
_STATUS = re.compile(r"(ADDRESS, ID, )[\d.]+, SIZE, (true|false), (true|false), \d+, \d+, \d+, ")
_STATUS_ROW = re.compile(
    r"(\| ADDRESS \| ID \|) [\d.]+ \| SIZE \| (true|false) \| (true|false) \| \d+ \| \d+ \| \d+ \|"
)
_INITIAL = re.compile(r'(ETCD_INITIAL_CLUSTER=")([^"]*)')
_HASHES = re.compile(r"(ADDRESS, )\d+|(\| ADDRESS \|) \d+")
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def alike(text: str, words: Sequence[str]) -> str:
    """An answer to a command without what differs by nature."""
    if text.startswith("bytes "):
        return without_header(bytes.fromhex(text.splitlines()[0][6:])) + "\n"
    # A program that panics tells its own addresses below its first line.
    text = re.sub(r"\n\ngoroutine .*", "\n", text, flags=re.DOTALL)
    for pattern, word in PATTERNS:
        text = pattern.sub(word, text)
    if words[:1] == ["member"]:
        # Members come in the order of their ids, which are drawn.
        text = _INITIAL.sub(lambda found: found[1] + ",".join(sorted(found[2].split(","))), text)
        text = "".join(sorted(text.splitlines(keepends=True)))
    if words[:2] == ["endpoint", "status"]:
        text = _STATUS.sub(r"\1V, SIZE, \2, \3, N, N, N, ", text)
        text = _STATUS_ROW.sub(r"\1 V | SIZE | \2 | \3 | N | N | N |", text)
    if words[:2] == ["endpoint", "hashkv"]:
        text = _HASHES.sub(lambda found: f"{found[1] or found[2]} N", text)
    if "status" in words and "snapshot" in words:
        text = re.sub(r"^[0-9a-f]{6,8}(,|\n)", r"HASH\1", text)
        text = re.sub(r"\| [0-9a-f]{6,8} \|", "| HASH |", text)
    return text


def without_header(message: bytes) -> str:
    """A response in protobuf's wire format, as text, without its first field, which is etcd's response header."""
    return " ".join(f"{number}:{value}" for number, value in fields(message) if number != 1)


def fields(message: bytes) -> Iterator[tuple[int, str]]:
    """Number and value of each field."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, str(value)
        elif kind == BYTES:
            size, at = _varint(message, at)
            yield number, message[at : at + size].hex()
            at += size
        else:
            size = 8 if kind == FIXED64 else 4
            yield number, message[at : at + size].hex()
            at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
