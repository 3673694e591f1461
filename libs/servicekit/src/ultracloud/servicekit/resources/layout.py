"""Where the kit keeps what in a service's namespace. Pure.

| key | value |
|---|---|
| ``r/<kind>/<id>`` | the record |
| ``n/<kind>/<place>/<name>`` | its id; makes names unique |
| ``p/<kind>/<name>/<id>`` | its id, if every principal may read it |
| ``c/<claim>`` | the id that holds the claim |
| ``g/<guard>`` | nothing; its version serialises admissions |
| ``o/<id>/`` | nothing; its version moves with each dependant that a resource gets |
| ``o/<id>/<kind>/<dependant>`` | nothing; the resource owns this one |
| ``i/<kind>/<place>/<key>`` | what a create with this idempotency key made |
| ``x/<kind>/l/<label>/<word>/<place>/<name>`` | the id of a record with this label; ``=value``, or ``*`` for any |
| ``x/<kind>/f/<path>/<word>/<place>/<name>`` | the id of a record with this value in a declared field |
| ``m/<kind>`` | which index is whole: its format and its fields |
| ``q/<group>/<shard>`` | who reconciles a shard; its version fences what the one before writes |
| ``xq/<place>/<part>`` | a part of what a place uses, and may |
| ``xr/<place>`` | nothing; of two that count a place anew, one corrects it |
| ``y/r/<lane>/<sequence>`` | an audit record |
| ``y/h/<lane>``, ``y/f/<lane>`` | where a lane of them ends, and behind which record it begins |
| ``z/<kind>/<id>`` | the events of a resource |

From ``x`` on, nothing is needed to know what there is: it is derived, or history. Who follows a whole namespace ends
there.

A place is the id of a project or organisation, or empty. Ids and names have no ``/``, so no key can pose as another.
"""

from __future__ import annotations

from ultracloud.base.faults import InvalidArgumentError

IDEMPOTENCY_KEY_LENGTH_MAX = 128
"""A UUID and a prefix fit."""
CLAIM_LENGTH_MAX = 512
"""Two ids and an IPv6 address fit."""
IDEMPOTENCY_PREFIX = b"i/"
RECORDS = b"r/"
"""Where all records are."""
RECONCILED_FROM = b"q/"
"""Where a reconciler begins to follow, up to the last record: who owns what comes in the order it was written."""
AUDIT_RECORDS = b"y/r/"
"""Where all records of the audit trail are."""
AUDIT_HEADS = b"y/h/"
"""Where it is said how the lanes of the audit trail end."""
DERIVED = b"x"
"""Where keys begin that only help to find others, or tell of what was."""


def record_key(kind: str, identifier: str) -> bytes:
    """Where a record is."""
    return f"r/{kind}/{identifier}".encode()


def record_prefix(kind: str) -> bytes:
    """Where all records of a kind are."""
    return f"r/{kind}/".encode()


def id_of_record_key(key: bytes) -> str:
    """The id in a record's key."""
    return key.rpartition(b"/")[2].decode()


def name_key(kind: str, place: str, name: str) -> bytes:
    """Where a name leads to its id."""
    return f"n/{kind}/{place}/{name}".encode()


def name_prefix(kind: str, place: str | None) -> bytes:
    """All names of a kind in a place; None: in every place."""
    return f"n/{kind}/".encode() if place is None else f"n/{kind}/{place}/".encode()


def name_ending(place: str, name: str) -> bytes:
    """How the keys end that list a kind's records in the order of names."""
    return f"{place}/{name}".encode()


def index_prefix(kind: str, space: str, key: str, word: str) -> bytes:
    """All records with a term; `space` is ``l`` (labels) or ``f`` (fields), `key` and `word` have no ``/``."""
    return f"x/{kind}/{space}/{key}/{word}/".encode()


def field_index_prefix(kind: str, path: str) -> bytes:
    """The whole index of one field."""
    return f"x/{kind}/f/{path}/".encode()


def shard_key(group: str, shard: int) -> bytes:
    """Where it is said who reconciles a shard of a group's keys; the group has no ``/`` at its ends."""
    return f"q/{group}/{shard:02x}".encode()


def index_mark_key(kind: str) -> bytes:
    """Where it is said which index of a kind is whole."""
    return f"m/{kind}".encode()


def public_key(kind: str, name: str, identifier: str) -> bytes:
    """Where a name leads to the id of a record everybody may read."""
    return f"p/{kind}/{name}/{identifier}".encode()


def public_prefix(kind: str, name: str | None = None) -> bytes:
    """All public records of a kind, or those of one name, oldest id first."""
    return f"p/{kind}/".encode() if name is None else f"p/{kind}/{name}/".encode()


def claim_key(claim: str) -> bytes:
    """Where a unique claim is."""
    assert 0 < len(claim) <= CLAIM_LENGTH_MAX, claim
    return f"c/{claim}".encode()


def claim_of_key(key: bytes) -> str:
    """The claim in its key."""
    return key[2:].decode()


def guard_key(guard: str) -> bytes:
    """Where the version that serialises admissions is."""
    assert 0 < len(guard) <= CLAIM_LENGTH_MAX, guard
    return f"g/{guard}".encode()


def dependant_prefix(owner: str) -> bytes:
    """All that a resource owns; also the key that moves with each new one."""
    return f"o/{owner}/".encode()


def dependant_key(owner: str, kind: str, identifier: str) -> bytes:
    """Where it is said that a resource owns another."""
    return f"o/{owner}/{kind}/{identifier}".encode()


def dependant_of_key(key: bytes) -> tuple[str, str]:
    """Kind and id of what is owned."""
    _, _, kind, identifier = key.decode().split("/")
    return kind, identifier


def quota_key(place: str, part: int) -> bytes:
    """Where a part of a place's use is."""
    return f"xq/{place}/{part:02x}".encode()


def recount_key(place: str) -> bytes:
    """Where the version is that lets one of several counts correct a place."""
    return f"xr/{place}".encode()


def audit_prefix(lane: int) -> bytes:
    """All audit records of a lane, in their order."""
    return AUDIT_RECORDS + b"%02x/" % lane


def audit_key(lane: int, sequence: int) -> bytes:
    """Where an audit record is."""
    return audit_prefix(lane) + b"%016x" % sequence


def audit_head_key(lane: int) -> bytes:
    """Where it is said how a lane ends."""
    return AUDIT_HEADS + b"%02x" % lane


def audit_floor_key(lane: int) -> bytes:
    """Where it is said behind which record a lane begins."""
    return f"y/f/{lane:02x}".encode()


def events_key(kind: str, identifier: str) -> bytes:
    """Where the events of a resource are."""
    return f"z/{kind}/{identifier}".encode()


def idempotency_key(kind: str, place: str, key: str) -> bytes:
    """Where the outcome of a create is remembered.

    Raises:
        InvalidArgumentError: `key` is too long or has characters a header could not carry.
    """
    if len(key) > IDEMPOTENCY_KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
        raise InvalidArgumentError(
            f"idempotency_key {key[:40]!a} is malformed; accepted: 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} printable "
            "ASCII characters",
            reason="IDEMPOTENCY_KEY_INVALID",
        )
    return f"i/{kind}/{place}/{key}".encode()
