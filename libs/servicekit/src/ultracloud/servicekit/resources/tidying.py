"""What every service built on the kit looks after once a day: old creates and audit records go, the books are proved.

runtime.tasks.create_task(tidy(resources), name="tidy")
"""

from __future__ import annotations

import logging

from ultracloud.base.faults import Fault
from ultracloud.servicekit.resources.engine import Resources

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
    if any(kind.is_counted for kind in resources.kinds.values()):
        for project in resources.authority.snapshot.policy.projects:
            done = await resources.recount(project.id)
            if done.corrections:
                logging.getLogger(__name__).warning("use of %s was wrong: %s", project.id, done.corrections)
