"""What every service built on the kit looks after once a day: what is old goes, the books are proved.

runtime.tasks.create_task(tidy(resources), name="tidy")
"""

from __future__ import annotations

import logging
from typing import Any

from ultracloud.base.faults import Fault
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit.pki import service_identity
from ultracloud.servicekit.resources.context import Context
from ultracloud.servicekit.resources.engine import Resources
from ultracloud.servicekit.resources.kinds import Kind
from ultracloud.servicekit.resources.places import place_of_id

DAY_S = 24 * 3600.0


async def tidy(resources: Resources) -> None:
    """Look after a service's resources, once a day, for ever; what fails waits for tomorrow."""
    while True:
        await resources.clock.sleep(DAY_S)
        try:
            await tidy_once(resources)
        except Fault as error:
            logging.getLogger(__name__).info("what is old is dropped tomorrow: %s", error)


async def tidy_once(resources: Resources) -> None:
    """One day's work.

    Raises:
        UnavailableError: The store is away; what is done is done.
    """
    await resources.forget_idempotency()
    await resources.forget_audit()
    for kind in resources.kinds.values():
        await _delete_old(resources, kind)
    if any(kind.is_counted for kind in resources.kinds.values()):
        for project in resources.authority.snapshot.policy.projects:
            done = await resources.recount(project.id)
            if done.corrections:
                logging.getLogger(__name__).warning("use of %s was wrong: %s", project.id, done.corrections)


async def _delete_old(resources: Resources, kind: Kind[Any]) -> None:
    """Delete those of a kind that are old."""
    if kind.is_old is None:
        return
    principal, now_ms = spiffe_principal(service_identity(kind.served)), resources.clock.now_ms()
    for stored in await resources.all(kind):
        if kind.is_old(stored.message, now_ms):
            place = place_of_id(resources.authority.snapshot.policy, kind, stored.metadata.project)
            await resources.delete(Context(resources, principal, place, resources.clock), kind, stored.metadata.id)
