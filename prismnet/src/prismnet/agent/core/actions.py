"""What the planner may ask of the actuator. Each says for whom it is done, so that a failure stays that owner's own."""

from __future__ import annotations

from dataclasses import dataclass

from prismnet.agent.core.state import Address, Link, LinkName, NamespaceName, Owner, Route, Ruleset, Tracked


@dataclass(frozen=True, slots=True)
class CreateNamespace:
    """Make a network namespace with its name in the file system."""

    owner: Owner
    namespace: NamespaceName


@dataclass(frozen=True, slots=True)
class DeleteNamespace:
    """Remove the name; links in it go when the last process has left it."""

    owner: Owner
    namespace: NamespaceName


@dataclass(frozen=True, slots=True)
class CreateLink:
    """Make a bridge, a tap, or a veth together with `peer` (then `link.peer` says where that goes)."""

    owner: Owner
    namespace: NamespaceName
    link: Link
    peer: Link | None = None


@dataclass(frozen=True, slots=True)
class SetLink:
    """Give an existing link all the attributes of `link`."""

    owner: Owner
    namespace: NamespaceName
    link: Link


@dataclass(frozen=True, slots=True)
class DeleteLink:
    """Remove a link, and the other end if it is a veth."""

    owner: Owner
    namespace: NamespaceName
    name: LinkName


@dataclass(frozen=True, slots=True)
class AddAddress:
    """Put an address on a link."""

    owner: Owner
    namespace: NamespaceName
    address: Address


@dataclass(frozen=True, slots=True)
class RemoveAddress:
    """Take an address off a link."""

    owner: Owner
    namespace: NamespaceName
    address: Address


@dataclass(frozen=True, slots=True)
class AddRoute:
    """Add a route, replacing one to the same destination."""

    owner: Owner
    namespace: NamespaceName
    route: Route


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    """Remove a route."""

    owner: Owner
    namespace: NamespaceName
    route: Route


@dataclass(frozen=True, slots=True)
class SetSysctl:
    """Write one kernel setting of the namespace."""

    owner: Owner
    namespace: NamespaceName
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class LoadRuleset:
    """Replace our nftables tables of the namespace in one transaction; None removes them."""

    owner: Owner
    namespace: NamespaceName
    ruleset: Ruleset | None


@dataclass(frozen=True, slots=True)
class ForgetConnections:
    """End the tracked connections of an address whose port has gone."""

    owner: Owner
    namespace: NamespaceName
    tracked: Tracked


Action = (
    CreateNamespace
    | DeleteNamespace
    | CreateLink
    | SetLink
    | DeleteLink
    | AddAddress
    | RemoveAddress
    | AddRoute
    | RemoveRoute
    | SetSysctl
    | LoadRuleset
    | ForgetConnections
)
