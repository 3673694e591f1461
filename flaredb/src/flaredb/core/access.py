"""Which identity may use which namespace.

A service owns the namespace of its name. The configuration may give a namespace to others, or to several; then the
service of its name has no right but what it gives. Operators may read everything and write nothing: their changes go
through the service that knows what the records mean. flaredb's own certificate may do all: whoever has it is the store
to everybody else, and a restore comes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ultracloud.base.faults import PermissionDeniedError, UnauthenticatedError
from ultracloud.base.principals import SPIFFE_PREFIX

_OPERATORS = f"{SPIFFE_PREFIX}operator/"
_OURSELVES = f"{SPIFFE_PREFIX}service/flaredb"


@dataclass(frozen=True, slots=True)
class Access:
    """The table of rights.

    Attributes:
        owners: Namespaces with owners of their own, as identities.
        is_open: Whether callers without an identity may do all: a server without TLS, on this machine only.
    """

    owners: Mapping[str, frozenset[str]]
    is_open: bool

    def check(self, identity: str | None, namespace: str, *, writes: bool) -> None:
        """Pass if the caller may use the namespace.

        Raises:
            UnauthenticatedError: The caller has no identity and the server wants one.
            PermissionDeniedError: The caller has no right to the namespace.
        """
        known = self._known(identity)
        if known is None:
            return
        owners = self.owners.get(namespace)
        if known in owners if owners is not None else known == f"{SPIFFE_PREFIX}service/{namespace}":
            return
        if known.startswith(_OPERATORS) and not writes:
            return
        raise PermissionDeniedError(
            f"'{known}' may not {'write to' if writes else 'read from'} namespace '{namespace}'",
            hint=f'flaredb\'s configuration can allow it: [namespaces] {namespace} = ["{known}"]',
            reason="NAMESPACE_DENIED",
            metadata={"namespace": namespace},
        )

    def check_operator(self, identity: str | None, purpose: str = "list namespaces") -> None:
        """Pass if the caller is an operator, as he must be for a purpose. Raises as `check`."""
        known = self._known(identity)
        if known is not None and not known.startswith(_OPERATORS):
            raise PermissionDeniedError(
                f"'{known}' may not {purpose}; accepted: operators",
                hint="Use an operator's certificate.",
                reason="NAMESPACE_DENIED",
            )

    def _known(self, identity: str | None) -> str | None:
        """Who calls; None for one who may do all. Raises UnauthenticatedError."""
        if identity is None and not self.is_open:
            raise UnauthenticatedError("the connection carries no client certificate; flaredb wants one")
        return None if identity == _OURSELVES else identity
