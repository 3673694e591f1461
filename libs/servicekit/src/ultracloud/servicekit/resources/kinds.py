"""What a service says of each of its kinds; from this the kit makes its six RPCs.

Hooks get and give the kind's own message. They may be plain or async functions. `admit` may run several times for one
request, whenever somebody else was faster: it must do nothing but read and decide.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from google.protobuf.message import Message

from ultracloud.api.rpc import ServiceDescriptor

if TYPE_CHECKING:
    from ultracloud.servicekit.resources.context import Context

MessageT = TypeVar("MessageT", bound=Message)


class Scope(enum.Enum):
    """What a kind's resources belong to: nothing, an organisation, or a project."""

    ROOT = "root"
    ORGANISATION = "organisation"
    PROJECT = "project"


def _nothing(_message: Message) -> tuple[str, ...]:
    return ()


def _free(_message: Message) -> dict[str, int]:
    return {}


def _never(_message: Message) -> bool:
    return False


def _is_indexable(message: type[Message], path: str) -> bool:
    """Whether a path leads from spec or status to a plain value."""
    first, *rest = path.split(".")
    if first not in {"spec", "status"}:
        return False
    field = message.DESCRIPTOR.fields_by_name[first]
    for name in rest:
        if field.message_type is None or name not in field.message_type.fields_by_name:
            return False
        field = field.message_type.fields_by_name[name]
    return field.message_type is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[MessageT]):
    """One kind.

    Attributes:
        name: ``Vpc``; its RPC service is the plural, ``Vpcs``.
        prefix: Of its ids, ``vpc``.
        service: The generated descriptor, ``VPCS``.
        message: The generated message, with fields metadata, spec and status.
        served_by: The service it belongs to, where its descriptor is one that several serve.
        scope: What its resources belong to.
        in_environments: Whether the label `environment` puts a PROJECT kind's resources in one of their project.
        root_too: An ORGANISATION kind whose resources may also belong to nothing (an empty `project`).
        admit: ``(context, new, old or None) -> new``: checks and completes spec and status before a create or an
            update is written: resolves names to ids, chooses addresses. Raises a Fault to refuse.
        claims: ``new -> strings``: what this record alone may hold in the whole service, e.g.
            ``subnet-01.../10.0.0.5``. When somebody else holds one, `admit` runs again and may choose another; if it
            insists, the caller gets AlreadyExists.
        guards: ``new -> strings``: what admissions must not happen at once about, e.g. the VPC whose subnets must not
            overlap. Of two concurrent changes with a guard in common, one runs `admit` again.
        owners: ``new -> ids`` of the resources, of any kind of this service in the same place, that it goes with: when
            the last of them is deleted, it is deleted first.
        deletable: ``(context, record)``: raises FailedPreconditionError, saying what uses it, to refuse a delete.
        finalizers: Who must clean up before a deleted record goes; each calls `Resources.remove_finalizer`.
        costs: ``new -> {what: how many}``, what it counts for in its place's quota, e.g. ``{"vms": 1, "vcpus": 2}``;
            from spec alone, because status writes do not count anew. 0 is nothing.
        readable_by_all: Whether every principal may read this record, e.g. a public image.
        immutable: Fields of spec that an update may not change.
        secret: Fields of spec whose values stay out of the audit trail, ``user_data``.
        indexed: Fields that lists and watches can filter by, ``spec.vpc`` or ``status.host``. Each costs every record a
            key, one with many values a key for each: name only those with few.
        reasons: Closed list of condition reasons; empty allows any.
        is_old: ``(record, now_ms)``: whether `tidy` deletes it, in the service's name; None: it never does.
    """

    name: str
    prefix: str
    service: ServiceDescriptor
    message: type[MessageT]
    served_by: str = ""
    scope: Scope = Scope.PROJECT
    in_environments: bool = True
    root_too: bool = False
    admit: Callable[[Context, MessageT, MessageT | None], MessageT | Awaitable[MessageT]] | None = None
    claims: Callable[[MessageT], Iterable[str]] = _nothing
    guards: Callable[[MessageT], Iterable[str]] = _nothing
    owners: Callable[[MessageT], Iterable[str]] = _nothing
    deletable: Callable[[Context, MessageT], Awaitable[None] | None] | None = None
    finalizers: tuple[str, ...] = ()
    costs: Callable[[MessageT], Mapping[str, int]] = _free
    readable_by_all: Callable[[MessageT], bool] = _never
    immutable: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()
    indexed: tuple[str, ...] = ()
    reasons: frozenset[str] = field(default=frozenset())
    is_old: Callable[[MessageT, int], bool] | None = None

    def __post_init__(self) -> None:
        descriptor = self.message.DESCRIPTOR
        assert descriptor is not None, self.message
        fields = descriptor.fields_by_name
        missing = {"metadata", "spec", "status"} - set(fields)
        assert not missing, f"{self.name} has no field {', '.join(sorted(missing))}"
        numbers = [fields[name].number for name in ("metadata", "spec", "status")]
        assert numbers == [1, 2, 3], f"{self.name} must have metadata, spec and status as fields 1, 2 and 3"
        spec = fields["spec"].message_type
        unknown = (self.immutable | self.secret) - set(spec.fields_by_name if spec else ())
        assert not unknown, f"{self.name}.spec has no field {', '.join(sorted(unknown))}"
        strange = [path for path in self.indexed if not _is_indexable(self.message, path)]
        assert not strange, f"{self.name} cannot be indexed by {', '.join(strange)}"

    @property
    def key(self) -> str:
        """Its name in storage keys and in sentences: ``vpc``."""
        return self.name.lower()

    @property
    def served(self) -> str:
        """The service it belongs to: ``prismnet``."""
        # "ultracloud.prismnet.v1.Vpcs": the second word is the service.
        return self.served_by or self.service.name.split(".")[1]

    @property
    def collection(self) -> str:
        """Its plural in permissions and resource paths: ``vpcs``."""
        return self.service.name.rpartition(".")[2].lower()

    @property
    def is_guarded(self) -> bool:
        """Whether its admissions rest on more than their own record."""
        return self.guards is not _nothing

    @property
    def is_counted(self) -> bool:
        """Whether its resources count in the quota of their place."""
        return self.costs is not _free

    @property
    def has_public(self) -> bool:
        """Whether some of its resources may be readable by every principal."""
        return self.readable_by_all is not _never

    def permission(self, verb: str) -> str:
        """``prismnet.vpcs.create``."""
        return f"{self.served}.{self.collection}.{verb}"
