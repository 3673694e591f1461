"""A service's place in the list of services: a key under a lease, as long as the instance lives."""

from __future__ import annotations

import asyncio
import json
import logging

from ultracloud.base import ids
from ultracloud.base.faults import Fault
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.coordination.interface import Coordinator

SERVICES_PREFIX = "/ultracloud/services/"
REGISTRATION_TTL_S = 10
"""A dead instance is off the list within this; a live one renews three times as often."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.1, 2.0
"""Between attempts to register."""
REVOKE_S = 0.5
"""A service that stops takes itself off the list, if that is quick."""


async def register(
    coordinator: Coordinator, name: str, address: str, clock: Clock, ttl_s: int = REGISTRATION_TTL_S
) -> None:
    """Keep this instance in the list of services for as long as this runs, through losses of chainfire and lease.

    Its key is ``/ultracloud/services/<name>/<instance>``, its value ``{"address": ...}``.
    """
    instance = ids.make_ulid(clock.now_ms(), clock.entropy(ids.ENTROPY_BYTES))
    key = f"{SERVICES_PREFIX}{name}/{instance}".encode()
    value = json.dumps({"address": address}).encode()
    lease, pause_s = 0, PAUSE_FIRST_S
    try:
        while True:
            try:
                lease = await coordinator.grant(ttl_s)
                await coordinator.put(key, value, lease)
                pause_s = PAUSE_FIRST_S
                await coordinator.keep(lease, ttl_s, clock)
            except Fault as error:
                logging.getLogger(__name__).debug("not registered", exc_info=error)
            await clock.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
    finally:
        if lease:
            await _leave(coordinator, lease)


async def _leave(coordinator: Coordinator, lease: int) -> None:
    """Take our keys off the list; if that fails the lease does it, later."""
    try:
        async with asyncio.timeout(REVOKE_S):
            await coordinator.revoke(lease)
    except (Fault, TimeoutError) as error:
        logging.getLogger(__name__).debug("lease not revoked", exc_info=error)


async def services(coordinator: Coordinator, name: str) -> dict[str, str]:
    """Instance -> address of all registered instances of a service."""
    prefix = f"{SERVICES_PREFIX}{name}/".encode()
    found = await coordinator.range(prefix)
    return {pair.key[len(prefix) :].decode(): str(json.loads(pair.value)["address"]) for pair in found.pairs}
