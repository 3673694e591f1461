"""Refusals in the audit trail: who was refused what, without letting a flood of them fill the disk.

Each refusal costs a look into a dictionary. What is alike (caller, address, RPC, what was asked for, why) is folded
into one record with a count. Records are written a moment later, as long as there are tokens in a bucket; while there
are none, refusals go on to be folded. So the first of a kind is there within seconds, and the worst flood leaves a
record every minute.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import Fault, PermissionDeniedError, UnauthenticatedError
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import PRINCIPAL
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.origin import source_of
from ultracloud.servicekit.resources.deeds import deed
from ultracloud.servicekit.resources.records import timestamp
from ultracloud.servicekit.resources.trail import Trail

if TYPE_CHECKING:
    from ultracloud.servicekit.runtime import Runtime

RECORDS_AT_ONCE = 64
"""Records that may be written without waiting: a person who tries a few things is shown in full."""
REFILL_S = 60.0
"""One more a minute: 130,000 in the 90 days that records are kept, some 50 MB."""
FOLDED_MAX = 256
"""Kinds of refusals that wait; more are counted together, because a flood may invent names without end."""
DEEDS_MAX = 10_000
"""Deeds that wait: as many as are done in some seconds; more means that the store is away."""
FLUSH_S = 2.0
OK = 0
ASKED_LENGTH_MAX = 200
CODES = {kind.code: kind.code_name for kind in (UnauthenticatedError, PermissionDeniedError)}
MANY = "(many)"


class _Asked:
    """Type of the context key."""


ASKED = _Asked()


@dataclass(frozen=True, slots=True)
class Refused:
    """What makes refusals alike."""

    principal: str
    source: str
    path: str
    asked: str
    code: str


@dataclass(slots=True)
class _Folded:
    """Refusals alike."""

    first_ms: int
    last_ms: int
    count: int
    request: str


@dataclass(slots=True)
class Fold:
    """Refusals that wait to be written, and how many may be. Pure.

    Attributes:
        tokens: Records that may be written now.
        filled_ms: When tokens were last added.
    """

    tokens: float = RECORDS_AT_ONCE
    filled_ms: int = 0
    waiting: dict[Refused, _Folded] = field(default_factory=dict)

    def add(self, refused: Refused, request: str, now_ms: int) -> None:
        """Count one."""
        if refused not in self.waiting and len(self.waiting) >= FOLDED_MAX:
            refused = Refused(MANY, MANY, MANY, "", refused.code)
        known = self.waiting.get(refused)
        if known is None:
            self.waiting[refused] = _Folded(now_ms, now_ms, 1, request)
        else:
            known.count, known.last_ms = known.count + 1, now_ms

    def take(self, now_ms: int) -> list[pb.AuditRecord]:
        """Those that may be written now, oldest first; they are no longer here."""
        self.tokens = min(RECORDS_AT_ONCE, self.tokens + max(0, now_ms - self.filled_ms) / (REFILL_S * 1000))
        self.filled_ms = now_ms
        chosen = sorted(self.waiting.items(), key=lambda one: one[1].first_ms)[: int(self.tokens)]
        self.tokens -= len(chosen)
        for refused, _ in chosen:
            del self.waiting[refused]
        return [_draft(refused, folded) for refused, folded in chosen]


def _draft(refused: Refused, folded: _Folded) -> pb.AuditRecord:
    return pb.AuditRecord(
        time=timestamp(folded.first_ms),
        principal=refused.principal,
        source=refused.source,
        request=folded.request,
        permission=refused.path,
        resource=refused.asked,
        refusal=refused.code,
        count=folded.count,
        last_time=timestamp(folded.last_ms),
    )


class Denials:
    """A server interceptor that notes refusals, and the task that writes them.

    Place it before the `Authenticator`, so that it also hears of callers nobody knows.

    Args:
        trail: Where records go.
        clock: Time.
        deeds: Paths of RPCs that change something and are no kind's, such as giving out a token: who has called them
            with success is written down too, one by one.
    """

    def __init__(self, trail: Trail, clock: Clock, deeds: Iterable[str] = ()) -> None:
        self._trail = trail
        self._clock = clock
        self._deeds = frozenset(deeds)
        self._done: list[pb.AuditRecord] = []
        self._fold = Fold(filled_ms=clock.now_ms())

    def watch(self, runtime: Runtime) -> Denials:
        """Write from now on, and for the last time before the service stops; gives itself."""
        runtime.tasks.create_task(self.run(), name="write down refusals")
        runtime.before_drain(self.flush)
        return self

    def admit(self, call: Call, /) -> None:
        """Let everything in."""

    def done(self, call: Call, code: int, _seconds: float, /) -> None:
        """Note a refusal, or a deed."""
        name = CODES.get(code)
        if name is None:
            if code == OK and call.path in self._deeds:
                self._note_deed(call)
            return
        principal = getattr(call.context.get(PRINCIPAL), "id", "")
        asked = str(call.context.get(ASKED, ""))[:ASKED_LENGTH_MAX]
        refused = Refused(principal, _host(source_of(call)), call.path[:ASKED_LENGTH_MAX], asked, name)
        self._fold.add(refused, deadlines.trace_of(call.metadata), self._clock.now_ms())

    def _note_deed(self, call: Call) -> None:
        principal = getattr(call.context.get(PRINCIPAL), "id", "")
        service, _, verb = call.path.removeprefix("/ultracloud.").rpartition("/")
        permission = f"{service.partition('.')[0]}.{service.rpartition('.')[2]}.{verb}".lower()
        record = deed(call, self._clock, principal, permission, str(call.context.get(ASKED, "")))
        if len(self._done) < DEEDS_MAX:
            self._done.append(record)
        else:
            logging.getLogger(__name__).warning("a deed is not in the audit trail: %s by %s", permission, principal)

    async def run(self) -> None:
        """Write what waits, for ever."""
        while True:
            await self._clock.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits and may be written; what the store does not take is lost, and the log says so."""
        done, self._done = self._done, []
        drafts = [*done, *self._fold.take(self._clock.now_ms())]
        for number, draft in enumerate(drafts):
            try:
                await self._trail.record(draft)
            except Fault as error:
                lost = sum(max(1, one.count) for one in drafts[number:])
                logging.getLogger(__name__).warning("%d events are not in the audit trail: %s", lost, error)
                return


def note_asked(call: Call, project: str, ref: str) -> None:
    """Remember what a call is about, in case it is refused: as it was asked for, whether or not it exists."""
    call.context[ASKED] = "/".join(part for part in (project, ref) if part)[:ASKED_LENGTH_MAX]


def _host(address: str) -> str:
    """An address without its port, which differs with every connection."""
    return address.rpartition(":")[0] if address.count(":") == 1 or address.startswith("[") else address
