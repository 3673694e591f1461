"""What every change is made with: attempts until nobody was faster, reading what is to be written, hooks."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.base.faults import AbortedError, NotFoundError
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.policy import Authority
from ultracloud.servicekit.resources import audit, layout, records
from ultracloud.servicekit.resources.charging import Ledger
from ultracloud.servicekit.resources.context import Context
from ultracloud.servicekit.resources.fencing import FencedStore
from ultracloud.servicekit.resources.kinds import Kind, MessageT
from ultracloud.servicekit.resources.limits import Limits, NoLimits
from ultracloud.servicekit.resources.places import resource_path
from ultracloud.servicekit.resources.reading import Reader
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.resources.trail import Trail
from ultracloud.servicekit.resources.writing import Writer
from ultracloud.servicekit.store import Store

ATTEMPTS_MAX = 50
"""Times one change is tried while others are faster: beyond, something is wrong and the caller is told to come back."""
ATTEMPTS_FREE = 3
"""Attempts before changes of this process queue up behind each other instead of racing."""

ResultT = TypeVar("ResultT")


class Changing(Reader):
    """A reader that can also write. What an attempt gives as None is tried again."""

    def __init__(
        self,
        store: Store,
        authority: Authority,
        clock: Clock,
        kinds: Iterable[Kind[Any]],
        limits: Limits | None = None,
    ) -> None:
        """Make it; `limits` says what each place may have, without it as much as it likes."""
        super().__init__(FencedStore(store))
        self.authority = authority
        self.clock = clock
        self.kinds = {kind.key: kind for kind in kinds}
        self._writer = Writer(self.store, limits or NoLimits())
        self._crowd = asyncio.Lock()

    @property
    def trail(self) -> Trail:
        """Who changed what."""
        return self._writer.trail

    @property
    def ledger(self) -> Ledger:
        """What each place uses."""
        return self._writer.ledger

    def _draft(
        self, context: Context, verb: str, kind: Kind[MessageT], old: MessageT | None, new: MessageT
    ) -> pb.AuditRecord:
        """The audit record of a change; `verb` is what it is, where the context does not say what was asked for."""
        metadata = records.metadata_of(new)
        return pb.AuditRecord(
            time=records.timestamp(self.clock.now_ms()),
            principal=context.principal.id,
            source=context.origin.source,
            request=context.origin.request,
            permission=kind.permission(context.origin.verb or verb),
            resource=resource_path(context.place, kind, metadata.id),
            generation=metadata.generation,
            changes=audit.changes_of(kind, old, new),
        )

    async def _repeated(
        self, attempt: Callable[[], Awaitable[ResultT | None]], *, gone_is_none: bool = False
    ) -> ResultT:
        """Run `attempt` until it gives something; after a few, one of this process at a time."""
        try:
            for _ in range(ATTEMPTS_FREE):
                result = await attempt()
                if result is not None:
                    return result
            async with self._crowd:
                for _ in range(ATTEMPTS_MAX - ATTEMPTS_FREE):
                    result = await attempt()
                    if result is not None:
                        return result
        except NotFoundError as error:
            if gone_is_none and error.reason == "GONE":
                return None  # type: ignore[return-value]
            raise
        raise AbortedError("too many others change this at the same time; try again", reason="CONTENDED")

    async def _read_for_write(self, kind: Kind[MessageT], identifier: str) -> tuple[Stored[MessageT], int]:
        """A resource, and the version of the store it was read at."""
        reading = await self.store.get_many([layout.record_key(kind.key, identifier)])
        if not reading.entries:
            raise NotFoundError(f"no {kind.key} '{identifier}'", reason="GONE")
        return records.parse_entry(kind, reading.entries[0]), reading.read_version


def check_etag(kind: Kind[MessageT], old: Stored[MessageT], etag: str) -> None:
    """Refuse a change of something else than what the caller read."""
    if etag and etag != old.metadata.etag:
        raise AbortedError(
            f"{kind.key} '{old.metadata.name}' has changed: its etag is {old.metadata.etag}, not {etag[:40]!a}",
            hint="get it again and decide again",
            reason="ETAG_MISMATCH",
        )


async def hooked(hook: Callable[..., Any] | None, otherwise: Any, *arguments: Any) -> Any:
    """What a plain or async hook gives; `otherwise` without one."""
    if hook is None:
        return otherwise
    given = hook(*arguments)
    return await given if inspect.isawaitable(given) else given
