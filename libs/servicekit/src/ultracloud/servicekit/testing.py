"""Fakes for services' tests: a call that arrived, a clock that is set, an authority that is told.

`ultracloud.servicekit.store.MemoryStore` is the store's fake.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping

from ultracloud.api.rpc import Call, Peer
from ultracloud.base.policy import Binding, Organisation, Policy, Principal, PrincipalKind, Project, ServiceAccount
from ultracloud.base.principals import SERVICE_ACCOUNT_PREFIX, spiffe_principal
from ultracloud.servicekit.authn import PRINCIPAL
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.pki import operator_identity
from ultracloud.servicekit.policy import PolicyCopy, Snapshot

ACME = Organisation("org-01jd0000000000000000000001", "acme")
RIVAL = Organisation("org-01jd0000000000000000000002", "rival")
BLUE = Project("proj-01jd0000000000000000000001", "blue", ACME.id)
GREEN = Project("proj-01jd0000000000000000000002", "green", ACME.id)
RED = Project("proj-01jd0000000000000000000003", "red", RIVAL.id)
DEVELOPER = ServiceAccount("sa-01jd0000000000000000000001", "dev", BLUE.id)
STRANGER = ServiceAccount("sa-01jd0000000000000000000002", "stranger", RED.id)
OPERATOR = spiffe_principal(operator_identity("root"))


def account_principal(account: ServiceAccount, projects: Iterable[Project] = (BLUE, GREEN, RED)) -> Principal:
    """The principal of an account in one of `projects`."""
    project = next(project for project in projects if project.id == account.project)
    name = f"{SERVICE_ACCOUNT_PREFIX}{account.id}"
    return Principal(name, PrincipalKind.SERVICE_ACCOUNT, project.organisation, project.id)


def sample_policy(bindings: Iterable[Binding] = (), version: int = 1) -> Policy:
    """Two tenants: acme with projects blue and green, where `DEVELOPER` develops in blue; rival with red.

    `OPERATOR` owns the root.
    """
    blue = f"organisations/{ACME.id}/projects/{BLUE.id}"
    red = f"organisations/{RIVAL.id}/projects/{RED.id}"
    return Policy(
        version=version,
        organisations=(ACME, RIVAL),
        projects=(BLUE, GREEN, RED),
        service_accounts=(DEVELOPER, STRANGER),
        bindings=(
            Binding("bnd-1", "developer", (f"{SERVICE_ACCOUNT_PREFIX}{DEVELOPER.id}",), blue),
            Binding("bnd-2", "developer", (f"{SERVICE_ACCOUNT_PREFIX}{STRANGER.id}",), red),
            Binding("bnd-3", "owner", (OPERATOR.id,), ""),
            *bindings,
        ),
    )


def sample_authority(bindings: Iterable[Binding] = ()) -> PolicyCopy:
    """An authority that holds `sample_policy` and no keys."""
    return PolicyCopy(Snapshot(sample_policy(bindings)))


def nobody_may() -> Snapshot:
    """What an authority says once all of `sample_policy`'s bindings have gone."""
    known = sample_policy()
    return Snapshot(Policy(2, known.organisations, known.projects, known.service_accounts))


class FakeCall(Call):
    """A call that arrived, already authenticated if `principal` is given."""

    def __init__(
        self,
        path: str = "/test.Service/Method",
        *,
        principal: Principal | None = None,
        metadata: Mapping[str, str] | None = None,
        identity: str | None = None,
        time_left_s: float | None = None,
    ) -> None:
        self._path = path
        self._metadata = dict(metadata or {})
        self._peer = Peer("127.0.0.1:50000", identity)
        self._context: dict[object, object] = {} if principal is None else {PRINCIPAL: principal}
        self._time_left_s = time_left_s

    @property
    def path(self) -> str:
        """See `Call`."""
        return self._path

    @property
    def metadata(self) -> Mapping[str, str]:
        """See `Call`."""
        return self._metadata

    @property
    def peer(self) -> Peer:
        """See `Call`."""
        return self._peer

    @property
    def context(self) -> dict[object, object]:
        """See `Call`."""
        return self._context

    def time_remaining(self) -> float | None:
        """See `Call`."""
        return self._time_left_s

    def is_cancelled(self) -> bool:
        """See `Call`."""
        return False


class SetClock(Clock):
    """A clock that stands still until it is set, and random bytes that repeat from run to run."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.time_ms = now_ms
        self._count = itertools.count(1)

    def now_ms(self) -> int:
        """See `Clock`."""
        return self.time_ms

    def monotonic_ms(self) -> int:
        """See `Clock`."""
        return self.time_ms

    def entropy(self, length: int) -> bytes:
        """A counter: never the same twice."""
        return next(self._count).to_bytes(length, "big")

    async def sleep(self, seconds: float) -> None:
        """Let others run once, and move on by `seconds`."""
        self.time_ms += round(seconds * 1000)
        await asyncio.sleep(0)
