from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstart.core import supervision
from quickstart.core.supervision import Phase, ProcessName, Supervision
from ultracloud.testkit import golden

GOLDEN = Path(__file__).parent.parent / "golden"


class Told:
    """A supervision one talks to in lines: `MS what NAME`."""

    def __init__(self) -> None:
        self.core = Supervision(["a", "b"])
        self.pids = 100

    def say(self, line: str) -> str:
        at, what, *rest = line.split()
        effects = self.core.step(event_of(what, rest), int(at))
        said = []
        while effects:
            effect = effects.pop(0)
            said.append(self.words(effect))
            if isinstance(effect, supervision.Spawn):
                self.pids += 1
                effects += self.core.step(supervision.Spawned(effect.name, self.pids), int(at))
        due = self.core.next_due_ms()
        said += [f"next at {due}"] if due is not None else []
        return "\n".join(said) or "nothing"

    def words(self, effect: supervision.Effect) -> str:
        match effect:
            case supervision.Spawn(name):
                return f"spawn {name}"
            case supervision.Terminate(pid):
                return f"SIGTERM {pid}"
            case supervision.Kill(pid):
                return f"SIGKILL {pid}"
            case supervision.Changed(name):
                process = self.core.processes[name]
                return f"{name} is {process.phase} with pid {process.pid}"


def event_of(what: str, rest: list[str]) -> supervision.Event:
    if what == "time":
        return supervision.TimePassed()
    if what == "exit":
        return supervision.Exited(int(rest[0]), int(rest[1]))
    name = ProcessName(rest[0])
    if what == "stop":
        return supervision.StopAsked(name, int(rest[1]))
    return {"start": supervision.StartAsked, "kill": supervision.KillAsked, "ready": supervision.SaidReady}[what](name)


@pytest.mark.parametrize("name", ["restarts", "stopping", "orphans"])
def test_conversation(name: str):
    golden.check_conversation(GOLDEN / f"supervision_{name}.txt", Told().say)


def test_a_process_that_cannot_be_started_is_tried_again_after_a_pause():
    core = Supervision(["a"])
    core.step(supervision.StartAsked(ProcessName("a")), 0)
    core.step(supervision.SpawnFailed(ProcessName("a")), 0)
    core.step(supervision.SpawnFailed(ProcessName("a")), 0)
    assert core.processes[ProcessName("a")].phase is Phase.PAUSED
    assert core.next_due_ms() == supervision.PAUSE_FIRST_MS


def test_pauses_grow_and_end():
    pauses = [supervision.pause_ms(deaths) for deaths in range(1, 12)]
    assert pauses[:4] == [0, 100, 200, 400]
    assert pauses[-1] == supervision.PAUSE_MAX_MS


NAME = st.just(ProcessName("a"))
EVENTS = st.one_of(
    st.builds(supervision.StartAsked, NAME),
    st.builds(supervision.StopAsked, NAME, st.integers(0, 500)),
    st.builds(supervision.KillAsked, NAME),
    st.builds(supervision.SaidReady, NAME),
    st.builds(supervision.TimePassed),
    st.just(None),
)
"""None stands for the end of whatever process runs."""


@given(st.lists(st.tuples(EVENTS, st.integers(0, 3000)), max_size=60))
def test_at_most_one_process_runs_and_it_is_the_one_the_core_knows(
    events: list[tuple[supervision.Event | None, int]],
):
    core, alive, now, pids = Supervision(["a"]), set(), 0, 0
    process = core.processes[ProcessName("a")]
    for event, passed in events:
        now += passed
        effects = core.step(event or supervision.Exited(alive.pop() if alive else -1, 1), now)
        while effects:
            effect = effects.pop(0)
            if isinstance(effect, supervision.Spawn):
                pids += 1
                alive.add(pids)
                effects += core.step(supervision.Spawned(effect.name, pids), now)
        assert alive == ({process.pid} if process.pid else set())
        assert (process.phase in (Phase.STOPPED, Phase.PAUSED)) == (not alive)
