"""Operations: a kind of the kit for work that outlasts its call. They can be waited for, watched, listed and cancelled.

A verb that takes long begins one and answers with it; the service's reconciler does the work and reports. What it is
about and how far it is are in the store, so a service that restarts goes on with what has not ended.

    OPERATION = operation_kind("plasmavmc")
    operations = Operations(resources, OPERATION)
    begun = await operations.begin(located.context, "migrate", path)            # in the verb
    await operations.report(begun.metadata.id, Moved(40, "copying memory"))     # in the planner's act
    service(OPERATION.service, OperationsServer(resources, OPERATION))
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ultracloud.api.operations.v1.operations_pb2 import (
    CancelOperationRequest,
    Operation,
    OperationSpec,
    OperationStatus,
    WaitOperationRequest,
)
from ultracloud.api.operations.v1.operations_rpc import OPERATIONS
from ultracloud.api.rpc import Call
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, NotFoundError
from ultracloud.base.policy import PrincipalKind
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.clock import new_id
from ultracloud.servicekit.resources import layout, records
from ultracloud.servicekit.resources.context import Context
from ultracloud.servicekit.resources.engine import NewResource, Resources
from ultracloud.servicekit.resources.kinds import Kind
from ultracloud.servicekit.resources.progress import ENDED, News, step
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.resources.server import KindServer
from ultracloud.servicekit.streams import while_allowed

WAIT_MS_MAX = 60_000
"""One wait; who waits longer asks again, so that a server that stops need not be waited for."""
KEPT_MS = 7 * 24 * 3600 * 1000
"""How long an operation is kept after its end: who asked comes back within a week."""


def operation_kind(service: str) -> Kind[Operation]:
    """The kind Operation as `service` serves it, in its own permissions: ``plasmavmc.operations.cancel``."""
    return Kind(
        name="Operation",
        prefix="op",
        service=OPERATIONS,
        message=Operation,
        served_by=service,
        admit=_admit,
        deletable=_deletable,
        immutable=frozenset({"target", "verb"}),
        indexed=("spec.target", "spec.verb", "status.state"),
        is_old=_is_old,
    )


def _admit(context: Context, new: Operation, old: Operation | None) -> Operation:
    if old is None and not (context.is_internal or context.principal.kind is PrincipalKind.SERVICE):
        raise FailedPreconditionError(
            "an operation begins with what it is about; call that instead", reason="OPERATION_IS_BEGUN"
        )
    if old is not None and old.spec.cancel and not new.spec.cancel:
        raise InvalidArgumentError("cancel of an operation cannot be taken back", reason="FIELD_IMMUTABLE")
    if old is None:
        new.status.state = OperationStatus.PENDING
    return new


def _deletable(_context: Context, record: Operation) -> None:
    if record.status.state not in ENDED:
        raise FailedPreconditionError(
            f"operation '{record.metadata.name}' has not ended; cancel it and wait", reason="OPERATION_RUNS"
        )


def _is_old(record: Operation, now_ms: int) -> bool:
    ended = record.status.state in ENDED
    return ended and records.milliseconds(record.status.ended_at) + KEPT_MS < now_ms


class Operations:
    """What a service's verbs and planners do with operations of `kind`."""

    def __init__(self, resources: Resources, kind: Kind[Operation]) -> None:
        self._resources = resources
        self._kind = kind

    async def begin(self, context: Context, verb: str, target: str, idempotency_key: str = "") -> Stored[Operation]:
        """Make one, in the context's place; the same key makes it once."""
        spec = OperationSpec(target=target, verb=verb)
        # A ULID begins with the time; a name that was an id's shape would be refused.
        name = f"{verb}-at-{new_id(self._resources.clock, 'op').partition('-')[2]}"
        new = NewResource(self._kind, name, spec, {}, idempotency_key, f"{verb} {target}".encode())
        return await self._resources.create(context.internally(), new)

    async def report(self, identifier: str, news: News) -> Stored[Operation] | None:
        """Say how it goes; one that has ended stays as it ended. None if it is gone."""

        def change(operation: Operation) -> None:
            operation.status.CopyFrom(step(operation.status, news, self._resources.clock.now_ms()))

        return await self._resources.change_status(self._kind, identifier, change)


class OperationsServer(KindServer[Operation]):
    """Serves operations: the six RPCs, and waiting and cancelling."""

    async def wait(self, request: WaitOperationRequest, call: Call) -> Operation:
        """The operation once it has ended, or as it is when the time is over.

        Raises:
            InvalidArgumentError: `timeout_ms` is out of range.
            NotFoundError: There is none, or it was deleted meanwhile.
            UnauthenticatedError, PermissionDeniedError: The caller may not, or may no longer.
        """
        with deadlines.inside(call):
            located = await self.locate(call, "get", request.project, request.ref)
            if not 0 <= request.timeout_ms <= WAIT_MS_MAX:
                raise InvalidArgumentError(
                    f"timeout_ms is {request.timeout_ms}; accepted: 0 to {WAIT_MS_MAX}", reason="TIMEOUT_INVALID"
                )
            seen = located.stored.message
            with contextlib.suppress(TimeoutError):
                states = while_allowed(self._states(seen), lambda: self.require_still(located, "get"))
                async with asyncio.timeout(request.timeout_ms / 1000), aclosing(states):
                    async for seen in states:
                        if seen.status.state in ENDED:
                            break
            return seen

    async def _states(self, known: Operation) -> AsyncGenerator[Operation, None]:
        """The operation as it is, and after each change."""
        key, name = layout.record_key(self.kind.key, known.metadata.id), known.metadata.name
        # From the version of this reading: the record's own may be of long before the history that is kept.
        reading = await self.resources.store.get_many([key])
        news: list[tuple[bytes | None, int]] = [(entry.value, entry.version) for entry in reading.entries] or [
            (None, 0)
        ]
        async with aclosing(self.resources.store.watch(key, key + b"\x00", reading.read_version)) as watched:
            while True:
                for value, version in news:
                    if value is None:
                        raise NotFoundError(f"operation '{name}' was deleted", reason="GONE")
                    yield records.parse(self.kind, value, version).message
                news = [(change.value, change.version) for change in (await anext(watched)).changes]

    async def cancel(self, request: CancelOperationRequest, call: Call) -> Operation:
        """Ask for its end; asking again is harmless.

        Raises:
            FailedPreconditionError: It has ended otherwise.
            NotFoundError, AbortedError: As `update`.
        """
        with deadlines.inside(call):
            located = await self.locate(call, "cancel", request.project, request.ref)

            def ask(operation: Operation) -> Operation:
                if operation.status.state in ENDED and operation.status.state != OperationStatus.CANCELLED:
                    state = OperationStatus.State.Name(operation.status.state)
                    raise FailedPreconditionError(
                        f"operation '{operation.metadata.name}' has ended: {state}", reason="OPERATION_ENDED"
                    )
                operation.spec.cancel = True
                return operation

            identifier = located.stored.metadata.id
            asked = await self.resources.update(located.context, self.kind, identifier, ask, request.etag)
            return asked.message
