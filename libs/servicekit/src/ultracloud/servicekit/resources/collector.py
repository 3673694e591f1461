"""Goes on with deletions that wait for dependants: after a restart, or where one refused to go and no longer does.

Services whose resources own others run it: ``Reconciler(resources, kinds, Collector(resources, principal)).run()``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ultracloud.base.policy import Principal
from ultracloud.servicekit.resources.context import Context
from ultracloud.servicekit.resources.deleting import DEPENDANTS
from ultracloud.servicekit.resources.engine import Resources
from ultracloud.servicekit.resources.places import place_of_id
from ultracloud.servicekit.resources.reconcile import Planner
from ultracloud.servicekit.resources.world import Key, World


class Collector(Planner[Key]):
    """A planner; `principal` is who deletes dependants."""

    def __init__(self, resources: Resources, principal: Principal) -> None:
        self._resources = resources
        self._principal = principal

    def plan(self, world: World, key: Key) -> Sequence[Key]:
        """See `Planner`."""
        metadata = world.metadata(key)
        return [key] if metadata is not None and DEPENDANTS in metadata.finalizers else []

    async def act(self, action: Key) -> None:
        """See `Planner`."""
        resources, kind = self._resources, self._resources.kinds[action.kind]
        stored = await resources.read(kind, action.id)
        if stored is None:
            return
        place = place_of_id(resources.authority.snapshot.policy, kind, stored.metadata.project)
        context = Context(resources, self._principal, place, resources.clock)
        refusal = await resources.collect(context, kind, action.id, sys.maxsize)
        if refusal is not None:
            raise refusal
