"""Which identity may use which namespace.

A service owns the namespace of its name. The configuration may give a namespace to others, or to several; then the
service of its name has no right but what it gives. Operators may read everything and write nothing: their changes go
through the service that knows what the records mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ultracloud.base.faults import PermissionDeniedError, UnauthenticatedError
from ultracloud.base.principals import SPIFFE_PREFIX

_OPERATORS = f"{SPIFFE_PREFIX}operator/"


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
        if identity is None:
            if self.is_open:
                return
            raise UnauthenticatedError("the connection carries no client certificate; flaredb wants one")
        owners = self.owners.get(namespace)
        if identity in owners if owners is not None else identity == f"{SPIFFE_PREFIX}service/{namespace}":
            return
        if identity.startswith(_OPERATORS) and not writes:
            return
        raise PermissionDeniedError(
            f"'{identity}' may not {'write to' if writes else 'read from'} namespace '{namespace}'",
            hint=f'flaredb\'s configuration can allow it: [namespaces] {namespace} = ["{identity}"]',
            reason="NAMESPACE_DENIED",
            metadata={"namespace": namespace},
        )
