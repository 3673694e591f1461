"""Where a place's limits come from: nowhere, a configuration, or the project as iam has it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ultracloud.servicekit.policy import Authority


class Limits(Protocol):
    """Where limits come from: a configuration, or the project in iam."""

    def limit(self, place: str, what: str) -> int | None:
        """How much of something a place (its id) may have; None for as much as it likes. Must not wait."""
        ...

    def named(self, place: str) -> Collection[str]:
        """What a place has limits of."""
        ...


class NoLimits(Limits):
    """Everybody may have everything; it is counted all the same."""

    def limit(self, place: str, what: str) -> int | None:
        """See `Limits`."""
        del place, what
        return None

    def named(self, place: str) -> Collection[str]:
        """See `Limits`."""
        del place
        return ()


@dataclass(frozen=True, slots=True)
class SetLimits(Limits):
    """Limits as an operator wrote them down.

    Attributes:
        everywhere: What each place may have: ``{"vms": 10}``.
        places: Place id -> what that one may have instead.
    """

    everywhere: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def limit(self, place: str, what: str) -> int | None:
        """See `Limits`."""
        return self.places.get(place, {}).get(what, self.everywhere.get(what))

    def named(self, place: str) -> Collection[str]:
        """See `Limits`."""
        return {*self.everywhere, *self.places.get(place, {})}


@dataclass(frozen=True, slots=True)
class ProjectLimits(Limits):
    """What iam says of the project; of what it does not name, what `otherwise` says.

    Of what its organisation may have a project has what it was given: nothing, if it was given nothing. iam sees to it
    that the projects are not given more together, so nobody counts for an organisation.

    Attributes:
        authority: Where the service's copy of iam's projects is.
    """

    authority: Authority
    otherwise: Limits

    def limit(self, place: str, what: str) -> int | None:
        """See `Limits`."""
        quotas = self._quotas(place)
        return quotas[what] if what in quotas else self.otherwise.limit(place, what)

    def named(self, place: str) -> Collection[str]:
        """See `Limits`."""
        return {*self._quotas(place), *self.otherwise.named(place)}

    def _quotas(self, place: str) -> dict[str, int]:
        """What iam says of a place."""
        policy = self.authority.snapshot.policy
        project = policy.project_of_id.get(place)
        if project is None:
            return {}
        organisation = policy.organisation_of_id.get(project.organisation)
        divided = organisation.quotas if organisation is not None else ()
        return {**{what: 0 for what, _ in divided}, **dict(project.quotas)}
