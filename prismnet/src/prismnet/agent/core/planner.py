"""From what should be and what is to what is to be done.

Order matters for safety: what must go goes first, then the host's rules are replaced, and only then appears what they
guard; so no port ever carries a frame without its rules. Applied to its own `observed`, a plan leads to a state whose
plan is empty, and applying it twice does no more than once (tests/agent/core/test_planner.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from prismnet.agent.core.actions import (
    Action,
    AddAddress,
    AddRoute,
    CreateLink,
    CreateNamespace,
    DeleteLink,
    DeleteNamespace,
    ForgetConnections,
    LoadRuleset,
    RemoveAddress,
    RemoveRoute,
    SetLink,
    SetSysctl,
)
from prismnet.agent.core.desired import HostSettings, desired_state
from prismnet.agent.core.state import HOST, HOST_OWNER, End, Link, LinkName, Namespace, NamespaceName, Owner, State
from prismnet.core.intent import HostIntent

EMPTY = Namespace(owner=HOST_OWNER)


def plan(intent: HostIntent, settings: HostSettings, observed: State) -> tuple[Action, ...]:
    """What to do, in order, so that the host has what `intent` says."""
    return difference(desired_state(intent, settings), observed)


def difference(desired: State, observed: State) -> tuple[Action, ...]:
    """What leads from `observed` to `desired`."""
    return tuple(_Difference(desired, observed).actions())


@dataclass(frozen=True, slots=True)
class _Difference:
    """Two states, and the steps between them."""

    desired: State
    observed: State

    def actions(self) -> Iterator[Action]:
        """Every step in a safe order."""
        doomed = self._doomed_links()
        yield from self._removals(doomed)
        yield from self._namespaces()
        kept = _without(self.observed, doomed)
        yield from self._links(kept)
        for name, namespace in self.desired.namespaces.items():
            yield from _addressing(name, namespace, kept.namespaces.get(name, EMPTY))
            # Last: while the old rules stood, packets could have made these anew.
            for tracked in sorted(self.observed.namespaces.get(name, EMPTY).tracked - namespace.tracked):
                yield ForgetConnections(tracked.owner, name, tracked)

    def _doomed_links(self) -> frozenset[End]:
        """Links that go: nobody wants them, they are of another kind, or their pair has lost its other end."""
        doomed = set()
        for name, namespace in self.observed.namespaces.items():
            wanted = self.desired.namespaces.get(name, EMPTY).links
            for link in namespace.links.values():
                if link.name not in wanted or wanted[link.name].kind is not link.kind:
                    doomed.add(End(name, link.name))
        for name, namespace in self.desired.namespaces.items():
            for link in namespace.links.values():
                near, far = End(name, link.name), link.peer
                if far is not None and (doomed & {near, far} or self._has(near) != self._has(far)):
                    doomed |= {end for end in (near, far) if self._has(end)}
        return frozenset(doomed)

    def _has(self, end: End) -> bool:
        """Whether a link exists."""
        return end.link in self.observed.namespaces.get(end.namespace, EMPTY).links

    def _removals(self, doomed: frozenset[End]) -> Iterator[Action]:
        """Links of the host first: a veth takes its other end along, and removing what is gone already does nothing."""
        gone = self.observed.namespaces.keys() - self.desired.namespaces.keys() - {HOST}
        for end in sorted(doomed, key=lambda end: (end.namespace != HOST, end.namespace, end.link)):
            if end.namespace not in gone:
                wanted = self.desired.namespaces.get(end.namespace, EMPTY).links.get(end.link)
                yield DeleteLink(self._owner(end, wanted), end.namespace, end.link)
        for name in sorted(gone):
            yield DeleteNamespace(self.observed.namespaces[name].owner, name)

    def _owner(self, end: End, wanted: Link | None) -> Owner:
        """For whom a link is removed."""
        if wanted is not None:
            return wanted.owner
        return self.observed.namespaces[end.namespace].owner

    def _namespaces(self) -> Iterator[Action]:
        """The host's rules, then the namespaces with theirs, all before a link stands in them."""
        for name, namespace in sorted(self.desired.namespaces.items()):
            observed = self.observed.namespaces.get(name)
            if observed is None and name != HOST:
                yield CreateNamespace(namespace.owner, name)
            observed = observed or EMPTY
            for key, value in namespace.sysctls.items():
                if observed.sysctls.get(key) != value:
                    yield SetSysctl(namespace.owner, name, key, value)
            if _digest(namespace) != _digest(observed):
                yield LoadRuleset(namespace.owner, name, namespace.ruleset)

    def _links(self, kept: State) -> Iterator[Action]:
        """Masters before their members."""
        peers = {link.peer for namespace in self.desired.namespaces.values() for link in namespace.links.values()}
        for name, namespace in sorted(self.desired.namespaces.items()):
            existing = kept.namespaces.get(name, EMPTY).links
            for link in sorted(namespace.links.values(), key=lambda link: (link.master is not None, link.name)):
                current = existing.get(link.name)
                if current is not None:
                    if not link.is_served_by(current):
                        yield SetLink(link.owner, name, link)
                elif End(name, link.name) not in peers:
                    yield CreateLink(link.owner, name, link, self._far_end(link))

    def _far_end(self, link: Link) -> Link | None:
        """The other end of a desired veth."""
        if link.peer is None:
            return None
        return self.desired.namespaces[link.peer.namespace].links[link.peer.link]


def _without(state: State, doomed: frozenset[End]) -> State:
    """`state` once the doomed links are gone, and with them their addresses and routes."""
    namespaces = {}
    for name, namespace in state.namespaces.items():
        lost = {end.link for end in doomed if end.namespace == name}
        namespaces[name] = replace(
            namespace,
            links={key: link for key, link in namespace.links.items() if key not in lost},
            addresses=frozenset(address for address in namespace.addresses if address.link not in lost),
            routes=frozenset(route for route in namespace.routes if route.link not in lost),
        )
    return replace(state, namespaces=namespaces)


def _addressing(name: NamespaceName, desired: Namespace, observed: Namespace) -> Iterator[Action]:
    """Addresses, then the routes that need them; what is too much goes first, or an address could not move."""
    if desired.exclusive:
        for route in sorted(observed.routes - desired.routes, key=str):
            yield RemoveRoute(desired.owner, name, route)
        for address in sorted(observed.addresses - desired.addresses):
            yield RemoveAddress(_owner_of(desired.links, address.link, desired.owner), name, address)
    for address in sorted(desired.addresses - observed.addresses):
        yield AddAddress(_owner_of(desired.links, address.link, desired.owner), name, address)
    for route in sorted(desired.routes - observed.routes, key=str):
        yield AddRoute(desired.owner, name, route)


def _owner_of(links: Mapping[LinkName, Link], name: LinkName, otherwise: Owner) -> Owner:
    """Whose a link is."""
    return links[name].owner if name in links else otherwise


def _digest(namespace: Namespace) -> str:
    """What names the namespace's ruleset; empty for none."""
    return namespace.ruleset.digest if namespace.ruleset else ""
