"""The planner in conversations: what a host is told, what happens to it, what it then does and says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from simulated_host import SimulatedHost, direct_vm, disk_vm, nic

from plasmavmc.agent.core.desired import DesiredVm, Power
from plasmavmc.agent.core.observed import OffReason
from ultracloud.testkit import golden

GOLDEN = Path(__file__).parents[2] / "golden" / "plan"


class Dialogue:
    """Speaks to a simulated host with one VM, number 1."""

    def __init__(self) -> None:
        self.host = SimulatedHost()
        self.vm = direct_vm()

    def say(self, line: str) -> str:
        verb, *words = line.split()
        answer: str = getattr(self, verb.replace("-", "_"))(*words)
        return answer

    def want(self, kind: str, *words: str) -> str:
        """`want direct|disk|nothing|same field=value ...`"""
        if kind == "nothing":
            self.host.intent = replace(self.host.intent, generation=self.host.intent.generation + 1, vms=())
            return ""
        base: DesiredVm = {"direct": direct_vm(), "disk": disk_vm()}.get(kind, self.vm)
        self.vm = replace(base, generation=self.vm.generation + (kind == "same"), **dict(map(_change, words)))
        self.host.intent = replace(self.host.intent, generation=self.host.intent.generation + 1, vms=(self.vm,))
        return ""

    def look(self) -> str:
        """Plan once and do nothing."""
        planned = self.host.plan()
        names = [type(action).__name__ for action in planned.files]
        names += [type(action).__name__ for one in planned.vms for action in one.actions]
        return f"would {', '.join(names) or 'do nothing'}\n{self._report()}"

    def settle(self) -> str:
        done = self.host.settle()
        return f"{', '.join(done) or 'nothing to do'}\n{self._report()}"

    def passes(self, milliseconds: str) -> str:
        self.host.now_ms += int(milliseconds)
        return ""

    def device(self, sign: str, name: str) -> str:
        (self.host.add_device if sign == "+" else self.host.remove_device)(name)
        return ""

    def guest_halts(self) -> str:
        self.host.turn_off(self.vm.id, OffReason.GUEST)
        return ""

    def crash(self) -> str:
        self.host.turn_off(self.vm.id, OffReason.CRASHED)
        return ""

    def pause(self) -> str:
        self.host.pause(self.vm.id)
        return ""

    def host_reboots(self) -> str:
        self.host.reboot()
        return ""

    def guest_is(self, what: str) -> str:
        self.host.answers_power_button = what == "polite"
        return ""

    def broken(self, *names: str) -> str:
        self.host.broken = set(names)
        return ""

    def _report(self) -> str:
        planned = self.host.plan()
        lines = [
            f"{one.power.value} {one.reason.value}{' ready' if one.ready else ''} start {one.reboot_count}"
            + (f": {one.message}" if one.message else "")
            for one in planned.reports
        ]
        due = f"\nlook again at {planned.wake_at_ms}" if planned.wake_at_ms is not None else ""
        return ("\n".join(lines) or "no VM") + due


def _change(word: str) -> tuple[str, object]:
    name, _, text = word.partition("=")
    if name == "nics":
        return name, tuple(nic(device) if device != "?" else replace(nic(""), mac="") for device in text.split(","))
    if name == "power":
        return name, Power(text)
    return name, text == "yes" if text in ("yes", "no") else int(text)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_conversation_goes_as_written(path: Path) -> None:
    golden.check_conversation(path, Dialogue().say)
