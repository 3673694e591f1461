"""`ultracloud.flaredb.v1.Eventual`: eventual namespaces to a backup, and back."""

from __future__ import annotations

import asyncio

from flaredb.core import limits
from flaredb.core.access import Access
from flaredb.core.eventual_clock import Stamp
from flaredb.core.eventual_copying import RESTORE_BYTES_MAX, RESTORE_KEYS_MAX, told_of
from flaredb.core.eventual_errors import not_listed
from flaredb.core.eventual_records import Stamped
from flaredb.core.region import StoreId
from flaredb.shell.eventual import EventualSpace
from flaredb.shell.rpc import SCAN_SLICE_KEYS
from ultracloud.api.flaredb.v1 import eventual_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import InvalidArgumentError


class EventualCopies:
    """Serves Eventual of one store.

    Args:
        names: The eventual namespaces.
        space: Has them.
        access: Who may use which.
    """

    def __init__(self, names: frozenset[str], space: EventualSpace, access: Access) -> None:
        self._names = names
        self._space = space
        self._access = access

    def names(self, _request: pb.NamesRequest, call: Call, /) -> pb.NamesResponse:
        """The eventual namespaces."""
        self._access.check_operator(call.peer.identity)
        return pb.NamesResponse(namespaces=sorted(self._names))

    async def dump(self, request: pb.DumpRequest, call: Call, /) -> pb.DumpResponse:
        """A page of one, as it is now."""
        namespace = self._allowed(request.namespace, call, writes=False)
        start = limits.check_bound(request.start, "start")
        page = self._space.dump(namespace, start, limits.scan_limit(request.limit))
        is_done = page.run(SCAN_SLICE_KEYS)
        while not is_done:
            await asyncio.sleep(0)
            is_done = page.run(SCAN_SLICE_KEYS)
        return pb.DumpResponse(keys=map(_message, page.found), more=page.more)

    async def restore(self, request: pb.RestoreRequest, call: Call, /) -> pb.RestoreResponse:
        """Take what a backup has of one, where it is later than what is here."""
        namespace = self._allowed(request.namespace, call, writes=True)
        told = [told_of(namespace, each) for each in _checked(request)]
        done = await self._space.restore(told)
        return pb.RestoreResponse(written=done.written, same=done.same, later=done.later, ended=done.ended)

    def _allowed(self, namespace: str, call: Call, *, writes: bool) -> str:
        self._access.check(call.peer.identity, namespace, writes=writes)
        if namespace not in self._names:
            raise not_listed(limits.check_namespace(namespace))
        return namespace


def _message(found: Stamped) -> pb.StampedKey:
    stamp = found.stamp
    return pb.StampedKey(
        key=found.key, value=found.value, expires_at_ms=found.expires_at_ms, time=stamp.time, store=stamp.store
    )


def _checked(request: pb.RestoreRequest) -> list[Stamped]:
    """What is to be restored.

    Raises:
        InvalidArgumentError: It is too much, or a part of it cannot be.
    """
    size_bytes = sum(len(each.key) + len(each.value) for each in request.keys)
    if len(request.keys) > RESTORE_KEYS_MAX or size_bytes > RESTORE_BYTES_MAX + limits.VALUE_BYTES_MAX:
        raise InvalidArgumentError(
            f"{len(request.keys)} keys with {size_bytes} bytes are to be restored at once; accepted: "
            f"{RESTORE_KEYS_MAX} keys with {RESTORE_BYTES_MAX + limits.VALUE_BYTES_MAX} bytes",
            reason="TXN_SIZE",
        )
    return [_stamped(each) for each in request.keys]


def _stamped(each: pb.StampedKey) -> Stamped:
    if not 0 <= each.expires_at_ms <= limits.EXPIRES_AT_MS_MAX:
        raise InvalidArgumentError(
            f"'expires_at_ms' is {each.expires_at_ms}; accepted: 0 to {limits.EXPIRES_AT_MS_MAX}",
            reason="EXPIRY_RANGE",
        )
    if each.time <= 0 or each.store <= 0:
        raise InvalidArgumentError(
            f"a key is stamped with time {each.time} and store {each.store}; accepted: 1 and above",
            hint="Give it the stamp that Dump told of it.",
        )
    stamp = Stamp(each.time, StoreId(each.store))
    return Stamped(limits.check_key(each.key), limits.check_value(each.value), stamp, each.expires_at_ms)
