"""What of the map stands in chainfire, as JSON that an operator reads with etcdctl and that says its units.

Keys of regions are text with a percent sign and two digits for what is not printable, so that they can be read and are
exact: ``iam%00r/User/usr-1%00%01``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes

from flaredb.core.cluster_view import StoreEntry
from flaredb.core.placement import RegionSeen, StoreSeen
from flaredb.core.region import Epoch, Peer, Region, RegionId, StoreId
from ultracloud.raft.words import Config, NodeId

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"
_PLAIN = "!#$&'()*+,-./:;<=>?@[]^_`{|}~"
"""Written as they are; neither quotes nor backslashes, which JSON would write otherwise."""


class MalformedEntryError(ValueError):
    """An entry is not what `render_...` wrote."""


def render_store(entry: StoreEntry) -> bytes:
    """A store as it says of itself; neither when it was seen nor whether it is leaving, which others say."""
    seen = entry.seen
    told: dict[str, Json] = {
        "store": seen.store,
        "address": entry.address,
        "capacity_bytes": seen.capacity_bytes,
        "used_bytes": seen.used_bytes,
        "labels": dict(seen.labels),
    }
    reads: dict[str, Json] = {str(region): load for region, load in sorted(entry.reads.items())}
    return json.dumps(told | ({"reads": reads} if reads else {})).encode()


def parse_store(content: bytes) -> StoreEntry:
    """Read a store; when it was seen, and whether it is leaving, is not known.

    Raises:
        MalformedEntryError: It is none.
    """
    told = _Fields(content)
    labels = tuple((name, str(value)) for name, value in told.mapping("labels").items())
    store = StoreId(told.number("store"))
    capacity_bytes, used_bytes = told.number("capacity_bytes"), told.number("used_bytes")
    seen = StoreSeen(store, capacity_bytes, used_bytes, 0, labels)
    return StoreEntry(seen, told.text("address"), _reads(told))


def _reads(told: _Fields) -> dict[RegionId, int]:
    """What a store answers of regions that others lead; one from before it was told says nothing."""
    if told.get("reads") is None:
        return {}
    reads = told.inner("reads")
    try:
        return {RegionId(int(region)): reads.number(region) for region in told.mapping("reads")}
    except ValueError as error:
        raise MalformedEntryError("'reads' has what is no region") from error


def render_region(seen: RegionSeen) -> bytes:
    """A region as its leader says; what is empty is left out."""
    region, config = seen.region, seen.region.config
    told: dict[str, Json] = {
        "region": region.region,
        "start": readable(region.start),
        "end": readable(region.end),
        "epoch": {"version": region.epoch.version, "conf_version": region.epoch.conf_version},
        "peers": [{"peer": each.peer, "store": each.store} for each in region.peers],
        "newest_peer": region.newest,
        "voters": _numbers(config.voters),
        "leader": seen.leader,
        "size_bytes": seen.size_bytes,
        "load": seen.load,
    }
    rare: dict[str, Json] = {
        "outgoing": _numbers(config.outgoing),
        "learners": _numbers(config.learners),
        "learners_next": _numbers(config.learners_next),
        "auto_leave": config.auto_leave,
        "middle": readable(seen.middle),
        "behind": _numbers(seen.behind),
    }
    return json.dumps(told | {name: value for name, value in rare.items() if value}).encode()


def parse_region(content: bytes) -> RegionSeen:
    """Read a region.

    Raises:
        MalformedEntryError: It is none.
    """
    told = _Fields(content)
    epoch = told.inner("epoch")
    peers = (Peer(NodeId(each.number("peer")), StoreId(each.number("store"))) for each in told.many("peers"))
    config = Config(
        voters=told.peers("voters"),
        outgoing=told.peers("outgoing"),
        learners=told.peers("learners"),
        learners_next=told.peers("learners_next"),
        auto_leave=bool(told.get("auto_leave")),
    )
    region = Region(
        RegionId(told.number("region")),
        told.key("start"),
        told.key("end"),
        Epoch(epoch.number("version"), epoch.number("conf_version")),
        tuple(sorted(peers, key=lambda each: each.peer)),
        config,
        NodeId(told.number("newest_peer")),
    )
    leader = None if told.get("leader") is None else StoreId(told.number("leader"))
    return RegionSeen(
        region, told.number("size_bytes"), told.number("load"), leader, told.key("middle"), told.peers("behind")
    )


def render(told: Mapping[str, Json]) -> bytes:
    """A small entry: who founds the cluster, when a store was heard of."""
    return json.dumps(told).encode()


def parse_number(content: bytes, name: str) -> int:
    """One number of a small entry.

    Raises:
        MalformedEntryError: It is not there.
    """
    return _Fields(content).number(name)


def parse_text(content: bytes, name: str) -> str:
    """One text of a small entry.

    Raises:
        MalformedEntryError: It is not there.
    """
    return _Fields(content).text(name)


def readable(key: bytes) -> str:
    """An encoded key as text, exactly."""
    return quote_from_bytes(key, safe=_PLAIN)


class _Fields:
    """An object of JSON whose fields are asked for by type."""

    def __init__(self, content: object) -> None:
        parsed = content
        if isinstance(content, bytes):
            try:
                parsed = json.loads(content)
            except ValueError as error:
                raise MalformedEntryError(f"an entry is no JSON: {error}") from error
        if not isinstance(parsed, Mapping):
            raise MalformedEntryError("an entry is no object")
        self._parsed = parsed

    def get(self, name: str) -> object:
        return self._parsed.get(name)

    def number(self, name: str) -> int:
        value = self.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise MalformedEntryError(f"'{name}' is no number")
        return value

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str):
            raise MalformedEntryError(f"'{name}' is no text")
        return value

    def key(self, name: str) -> bytes:
        return unquote_to_bytes(self.text(name)) if name in self._parsed else b""

    def mapping(self, name: str) -> Mapping[str, object]:
        value = self.get(name)
        if not isinstance(value, Mapping):
            raise MalformedEntryError(f"'{name}' is no object")
        return value

    def inner(self, name: str) -> _Fields:
        return _Fields(self.mapping(name))

    def many(self, name: str) -> list[_Fields]:
        return [_Fields(each) for each in self._list(name)]

    def peers(self, name: str) -> frozenset[NodeId]:
        return frozenset(NodeId(each) for each in self._list(name) if isinstance(each, int))

    def _list(self, name: str) -> list[object]:
        value = self._parsed.get(name, [])
        if not isinstance(value, list):
            raise MalformedEntryError(f"'{name}' is no list")
        return value


def _numbers(some: frozenset[NodeId]) -> list[Json]:
    return [*sorted(some)]
