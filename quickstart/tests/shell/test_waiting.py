"""Following a watch until a resource is as wanted; the watch is one that a test scripts."""

from collections.abc import AsyncIterator, Callable

import pytest

from quickstart.shell.cloud import is_ready, wait_for
from ultracloud.api.prismnet.v1.prismnet_pb2 import Port, PortEvent
from ultracloud.api.resource.v1.resource_pb2 import Condition
from ultracloud.base.faults import NotFoundError, UnavailableError


def port(name: str, *, ready: bool, generation: int = 1, observed: int = 1) -> PortEvent:
    event = PortEvent()
    event.object.metadata.name = name
    event.object.metadata.generation = generation
    event.object.status.conditions.add(
        type="Ready",
        status=Condition.TRUE if ready else Condition.FALSE,
        reason="Built" if ready else "Waiting",
        message="" if ready else "the host is away",
        observed_generation=observed,
    )
    return event


def watch_of(*scripts: list[PortEvent | Exception]) -> Callable[[], AsyncIterator[PortEvent]]:
    """Each call of the result plays the next script."""
    rest = iter(scripts)

    async def play(script: list[PortEvent | Exception]) -> AsyncIterator[PortEvent]:
        for one in script:
            if isinstance(one, Exception):
                raise one
            yield one

    return lambda: play(next(rest, []))


async def found(watch: Callable[[], AsyncIterator[PortEvent]], timeout_s: float = 2) -> Port:
    return await wait_for(watch, "probe", is_ready, timeout_s)


async def test_the_first_event_that_is_as_wanted_is_taken():
    watch = watch_of([port("other", ready=True), port("probe", ready=False), port("probe", ready=True)])
    assert (await found(watch)).metadata.name == "probe"


async def test_a_server_that_restarts_is_watched_again():
    watch = watch_of([port("probe", ready=False), UnavailableError("gone")], [port("probe", ready=True)])
    assert (await found(watch)).metadata.name == "probe"


async def test_readiness_of_an_older_spec_does_not_count():
    stale = [port("probe", ready=True, generation=2, observed=1)]
    with pytest.raises(TimeoutError):
        await found(watch_of(stale), 0.2)


async def test_giving_up_says_what_the_conditions_say():
    with pytest.raises(TimeoutError, match="Ready is FALSE: Waiting the host is away"):
        await found(watch_of([port("probe", ready=False)]), 0.2)
    with pytest.raises(TimeoutError, match="has not been seen"):
        await found(watch_of([]), 0.2)


async def test_a_refusal_is_not_waited_out():
    with pytest.raises(NotFoundError):
        await found(watch_of([NotFoundError("no project")]))
