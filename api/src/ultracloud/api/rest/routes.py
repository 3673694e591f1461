"""Every RPC that the REST API has, from the ``google.api.http`` annotations of the protos.

The rules are google.api.http's, and three of our own:

- ``{service}`` is no field: an RPC that several services serve (quota, trail, operations) says with it which is asked;
- the place (``project``) of a resource stands in its path and nowhere else;
- ``-`` for a project is every project, as far as the caller may see them (AIP-159).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.api.annotations_pb2 import http  # type: ignore[import-untyped]
from google.api.http_pb2 import HttpRule  # type: ignore[import-untyped]
from google.protobuf.descriptor import FieldDescriptor

import ultracloud.api
from ultracloud.api.rest.descriptors import descriptor_of, fields_by_name, fields_of
from ultracloud.api.rest.templates import Template, parse_template
from ultracloud.api.rpc import Method, ServiceDescriptor

MOUNT = "service"
"""The variable that says which service is asked."""
PLACE = "project"
ANYWHERE = "-"
OPEN = frozenset(
    {
        "ultracloud.iam.v1.Credentials.AcceptInvite",
        "ultracloud.iam.v1.PersonalTokens.Exchange",
        "ultracloud.iam.v1.Sessions.Login",
        "ultracloud.iam.v1.Sessions.Refresh",
    }
)
"""RPCs that need no token, since what they bring is the proof of who calls. All others are refused without one."""
MOUNTED: Mapping[str, tuple[str, ...]] = {
    "ultracloud.operations.v1": (),
    "ultracloud.quota.v1": ("plasmavmc", "prismnet"),
    "ultracloud.trail.v1": ("iam", "plasmavmc", "prismnet"),
}
"""Who serves the packages that several services serve."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to call one RPC.

    Attributes:
        operation: Its name in the documentation, ``vms.create``.
        http_method: In capitals.
        service: The service, e.g. ``ultracloud.plasmavmc.v1.Vms``.
        rpc: What is called.
        backends: The services that can be asked; the path says which if there are several, or if it has MOUNT.
        body: ``*`` for the request whole, a field's name, or empty for none.
        place: Literal before the place's variable: ``projects``, ``organisations``; empty where there is none.
        hidden: Fields of the request that this way does not give.
    """

    operation: str
    http_method: str
    template: Template
    service: ServiceDescriptor
    rpc: Method
    backends: tuple[str, ...]
    body: str
    place: str
    hidden: frozenset[str]

    @property
    def is_open(self) -> bool:
        """Whether it needs no token."""
        return f"{self.service.name}.{self.rpc.name}" in OPEN

    @property
    def is_mounted(self) -> bool:
        """Whether the path says which service is asked."""
        return MOUNT in self.template.variables

    @property
    def path_fields(self) -> tuple[str, ...]:
        """Fields that stand in the path."""
        return tuple(name for name in self.template.variables if name != MOUNT)

    def query_fields(self) -> Sequence[FieldDescriptor]:
        """Fields that stand in the query."""
        if self.body == "*":
            return ()
        taken = {*self.path_fields, *self.hidden, self.body}
        return [each for each in fields_of(descriptor_of(self.rpc.request_type)) if each.name not in taken]

    def body_fields(self) -> Sequence[FieldDescriptor]:
        """Fields that stand in the body, if it is the request."""
        if self.body != "*":
            return ()
        taken = {*self.path_fields, *self.hidden}
        return [each for each in fields_of(descriptor_of(self.rpc.request_type)) if each.name not in taken]


def services() -> list[ServiceDescriptor]:
    """Every service of every proto, by name."""
    names = [each.name for each in pkgutil.walk_packages(ultracloud.api.__path__, "ultracloud.api.")]
    modules = [importlib.import_module(name) for name in names if name.endswith("_rpc")]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, ServiceDescriptor)]
    return sorted(found, key=lambda each: each.name)


def all_routes() -> list[Route]:
    """Every route, by service, then in the order of the proto."""
    return [route for service in services() for rpc in service.methods for route in routes_of(service, rpc)]


def routes_of(service: ServiceDescriptor, rpc: Method) -> Iterator[Route]:
    """The routes of one RPC; none if it has no annotation, or if nobody serves it.

    Raises:
        ValueError: An annotation names a field that the request lacks, or is not of the syntax we use.
    """
    rule = rule_of(service, rpc)
    package, _, name = service.name.rpartition(".")
    backends = MOUNTED.get(package, (package.split(".")[1],)) if package.startswith("ultracloud.") else ()
    if rule is None or not backends:
        return
    for number, each in enumerate((rule, *rule.additional_bindings)):
        operation = f"{name.lower()}.{rpc.attribute}"
        yield _route(f"{operation}_root" if number else operation, each, service, rpc, backends)


def rule_of(service: ServiceDescriptor, rpc: Method) -> HttpRule | None:
    """The annotation of an RPC."""
    pool = rpc.request_type.DESCRIPTOR.file.pool
    options = pool.FindMethodByName(f"{service.name}.{rpc.name}").GetOptions()
    return options.Extensions[http] if options.HasExtension(http) else None


def _route(operation: str, rule: HttpRule, service: ServiceDescriptor, rpc: Method, backends: tuple[str, ...]) -> Route:
    method = rule.WhichOneof("pattern")
    template = parse_template(getattr(rule, method))
    fields = fields_by_name(descriptor_of(rpc.request_type))
    unknown = [name for name in template.variables if name not in fields and name != MOUNT]
    if unknown or (rule.body not in ("", "*") and rule.body not in fields):
        raise ValueError(f"{service.name}.{rpc.name}: {template.text} names what {rpc.request_type.__name__} lacks")
    is_placed = PLACE in template.variables
    is_of_a_kind = "ref" in fields or rpc.name in ("Create", "List", "Watch")
    return Route(
        operation=operation,
        http_method=method.upper(),
        template=template,
        service=service,
        rpc=rpc,
        backends=backends,
        body=rule.body,
        place=_place(template) if is_placed else "",
        hidden=frozenset({PLACE} & set(fields) if is_of_a_kind and not is_placed else ()),
    )


def _place(template: Template) -> str:
    """The literal before the place's variable."""
    at = [index for index, segment in enumerate(template.segments) if segment is None]
    return str(template.segments[at[template.variables.index(PLACE)] - 1])
