"""A kernel made of dataclasses: what the planner's actions do, without one.

`FakeKernel` passes the same contract test as the real actuator (tests/agent/test_contract.py), so what is proven with
it over all inputs holds for the real one as far as that test reaches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

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
from prismnet.agent.core.state import (
    HOST,
    HOST_OWNER,
    End,
    Link,
    LinkName,
    Namespace,
    NamespaceName,
    Owner,
    Ruleset,
    State,
)


class FakeKernelError(Exception):
    """The real kernel would have refused this."""


@dataclass(slots=True)
class FakeKernel:
    """Namespaces in a dict; every refusal the planner could run into is an exception."""

    namespaces: dict[NamespaceName, Namespace] = field(default_factory=lambda: {HOST: Namespace(owner=HOST_OWNER)})
    pairs: dict[End, End] = field(default_factory=dict)
    foreign: frozenset[LinkName] = frozenset()

    def observe(self) -> State:
        """What is there, in the words of the planner."""
        return State(dict(self.namespaces), self.foreign)

    def apply(self, actions: Iterable[Action]) -> dict[Owner, str]:
        """Do all of them; a refusal is an exception, as no test here means to be refused."""
        for action in actions:
            self.step(action)
        return {}

    def step(self, action: Action) -> None:  # noqa: C901, PLR0912 - one case for each action there is
        """Do one."""
        match action:
            case CreateNamespace(_, name):
                self.namespaces.setdefault(name, Namespace(owner=action.owner))
            case DeleteNamespace(_, name):
                for link in list(self.namespaces[name].links) if name in self.namespaces else []:
                    self._unlink(End(name, link))
                self.namespaces.pop(name, None)
            case CreateLink(_, name, link, peer):
                self._put(name, link)
                if peer is not None and link.peer is not None:
                    self._put(link.peer.namespace, peer)
                    self.pairs[End(name, link.name)] = link.peer
                    self.pairs[link.peer] = End(name, link.name)
            case SetLink(_, name, link):
                self._refuse(link.name not in self._at(name).links, f"{link.name} does not exist")
                self._put(name, link)
            case DeleteLink(_, name, link_name):
                self._unlink(End(name, link_name))
            case AddAddress(_, name, address):
                at = self._at(name)
                self._refuse(address.link not in at.links, f"no {address.link}")
                self.namespaces[name] = replace(at, addresses=at.addresses | {address})
            case RemoveAddress(_, name, address):
                at = self._at(name)
                self.namespaces[name] = replace(at, addresses=at.addresses - {address})
            case AddRoute(_, name, route):
                at = self._at(name)
                reachable = [a for a in at.addresses if a.link == route.link and route.gateway in a.interface.network]
                self._refuse(not reachable, f"{route.gateway} is unreachable")
                others = {r for r in at.routes if r.destination != route.destination}
                self.namespaces[name] = replace(at, routes=frozenset(others | {route}))
            case RemoveRoute(_, name, route):
                at = self._at(name)
                self.namespaces[name] = replace(at, routes=at.routes - {route})
            case SetSysctl(_, name, key, value):
                at = self._at(name)
                self.namespaces[name] = replace(at, sysctls={**at.sysctls, key: value})
            case LoadRuleset(_, name, ruleset):
                digest = Ruleset(ruleset.digest) if ruleset else None
                self.namespaces[name] = replace(self._at(name), ruleset=digest)
            case ForgetConnections():
                pass
            case _:
                assert_never(action)

    def _at(self, name: NamespaceName) -> Namespace:
        """A namespace that must exist."""
        self._refuse(name not in self.namespaces, f"no namespace {name}")
        return self.namespaces[name]

    def _put(self, name: NamespaceName, link: Link) -> None:
        """The link as the kernel would tell it: without our notes, with a MAC."""
        at = self._at(name)
        self._refuse(link.master is not None and link.master not in at.links, f"no bridge {link.master}")
        told = replace(link, peer=None, owner=HOST_OWNER, mac=link.mac or "02:00:00:00:00:01")
        self.namespaces[name] = replace(at, links={**at.links, link.name: told})

    def _unlink(self, end: End) -> None:
        """Remove a link with what hangs on it, and the other end."""
        at = self._at(end.namespace)
        if end.link not in at.links:
            return
        links = {
            key: replace(link, master=None) if link.master == end.link else link
            for key, link in at.links.items()
            if key != end.link
        }
        self.namespaces[end.namespace] = replace(
            at,
            links=links,
            addresses=frozenset(address for address in at.addresses if address.link != end.link),
            routes=frozenset(route for route in at.routes if route.link != end.link),
        )
        other = self.pairs.pop(end, None)
        if other is not None:
            self.pairs.pop(other, None)
            self._unlink(other)

    def _refuse(self, refused: bool, why: str) -> None:  # noqa: FBT001 - reads as "refuse if"
        if refused:
            raise FakeKernelError(why)
