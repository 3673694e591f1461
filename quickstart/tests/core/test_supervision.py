from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickstart.core import supervision
from quickstart.core.supervision import Phase, ProcessName, Supervision
from ultracloud.testkit import golden

GOLDEN = Path(__file__).parent.parent / "golden"


class Told:
    """A supervision one talks to in lines: `at MS what NAME`."""

    def __init__(self):
        self.core = Supervision(["a", "b"])
        self.pids = 100

    def say(self, line: str) -> str:
        at, what, *rest = line.split()
        effects = self.core.step(self.event(what, rest), int(at))
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

    def event(self, what, rest):
        name = ProcessName(rest[0]) if rest else ProcessName("")
        match what:
            case "start":
                return supervision.StartAsked(name)
            case "stop":
                return supervision.StopAsked(name, int(rest[1]))
            case "kill":
                return supervision.KillAsked(name)
            case "ready":
                return supervision.SaidReady(name)
            case "exit":
                return supervision.Exited(int(rest[0]), int(rest[1]))
            case _:
                return supervision.TimePassed()

    def words(self, effect) -> str:
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


@pytest.mark.parametrize("name", ["restarts", "stopping", "orphans"])
def test_conversation(name):
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


EVENTS = st.one_of(
    st.builds(supervision.StartAsked, st.just(ProcessName("a"))),
    st.builds(supervision.StopAsked, st.just(ProcessName("a")), st.integers(0, 500)),
    st.builds(supervision.KillAsked, st.just(ProcessName("a"))),
    st.builds(supervision.SaidReady, st.just(ProcessName("a"))),
    st.builds(supervision.TimePassed),
    st.just("its process ends"),
)


@given(st.lists(st.tuples(EVENTS, st.integers(0, 3000)), max_size=60))
def test_at_most_one_process_runs_and_it_is_the_one_the_core_knows(events):
    core, alive, now, pids = Supervision(["a"]), set(), 0, 0
    process = core.processes[ProcessName("a")]
    for event, passed in events:
        now += passed
        if event == "its process ends":
            event = supervision.Exited(alive.pop() if alive else -1, 1)
        effects = core.step(event, now)
        while effects:
            effect = effects.pop(0)
            if isinstance(effect, supervision.Spawn):
                pids += 1
                alive.add(pids)
                effects += core.step(supervision.Spawned(effect.name, pids), now)
        assert alive == ({process.pid} if process.pid else set())
        assert len(alive) <= 1
        assert (process.phase in (Phase.STOPPED, Phase.PAUSED)) == (not alive)
