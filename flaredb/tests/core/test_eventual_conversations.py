"""Conversations of stores with eventual namespaces, as a person reads them: tests/golden/eventual/*.txt.

A line after `>` is said, the lines below it are what comes of it. UPDATE_GOLDENS=1 writes what comes now.

    > put 1 a=x [ttl 5]   > delete 1 a    (at store 1; the answer: how many changes it has had)
    > away 2   > back 2   > join 4   > clock 3 +2000
    > pass 2000 (milliseconds: what stores say meanwhile, but that they are there and whether all is the same)
    > pass 30 hours (only how it ends)
    > show (what a reader sees at each store)
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from flaredb.core.eventual_messages import Compare, Declined, Differ, Found, Give, Hello, Lists, Message, Spread, Taken
from flaredb.core.eventual_records import Digest, Told, digest
from flaredb.core.eventual_tree import ROOT
from flaredb.core.keys import encode, key_of
from flaredb.core.region import StoreId
from flaredb.testing_eventual import NAMESPACE, EventualCluster
from ultracloud.base.faults import Fault
from ultracloud.testkit import golden

FOLDER = Path(__file__).parents[1] / "golden" / "eventual"
HOUR_MS = 3_600_000
NAMES = {digest(encode(NAMESPACE, bytes([letter]))): chr(letter) for letter in range(ord("a"), ord("z") + 1)}


class Talk:
    """A conversation with three stores."""

    def __init__(self) -> None:
        self.cluster = EventualCluster(3)
        self.cluster.heard = self.hear
        self.said: list[str] = []

    def answer(self, line: str) -> str:
        self.said = []
        match line.split():
            case ["put", store, pair, *rest]:
                key, _, value = pair.partition("=")
                self.write(int(store), key, value.encode(), *rest)
            case ["delete", store, key]:
                self.write(int(store), key, None)
            case ["away", store]:
                self.cluster.away.add(StoreId(int(store)))
            case ["back", store]:
                self.cluster.away.remove(StoreId(int(store)))
            case ["join", store]:
                self.cluster.join(int(store))
            case ["clock", store, skew_ms]:
                self.cluster[int(store)].skew_ms = int(skew_ms)
            case ["pass", hours, "hours"]:
                self.cluster.run(int(hours) * HOUR_MS, step_ms=HOUR_MS // 2)
                self.said = []
            case ["pass", milliseconds]:
                self.cluster.run(int(milliseconds))
            case ["show"]:
                self.show()
            case _:
                raise AssertionError(line)
        return "\n".join(self.said)

    def write(self, number: int, key: str, value: bytes | None, *ttl: str) -> None:
        store = self.cluster[number]
        try:
            end = {"ttl_ms": int(ttl[1]) * 1000} if ttl else {}
            version = store.put(key.encode(), value, self.cluster.now_ms, **end)
        except Fault as fault:
            self.said.append(f"{fault.reason}: {fault.public}")
        else:
            self.said.append(f"change {version % (1 << 43) - self.cluster.founded_ms}")

    def show(self) -> None:
        for number, store in self.cluster.stores.items():
            values = store.values(self.cluster.now_ms)
            shown = " ".join(f"{key.decode()}={value.decode()}" for key, value in values.items())
            deleted = len(store.told()) - len(values)
            self.said.append(f"{number}: {shown or '-'}" + (f" ({deleted} deleted)" if deleted else ""))

    def hear(self, sender: StoreId, to: StoreId, message: Message) -> None:
        if not is_idle(message):
            self.said.append(f"{sender} to {to}: {spoken(message)}")


def is_idle(message: Message) -> bool:
    """Whether it is said all the time: that somebody is there, and whether all is the same."""
    match message:
        case Compare():
            return message.hashes[0][0] == ROOT
        case Differ():
            return not message.hashes
        case _:
            return isinstance(message, Hello)


def spoken(message: Message) -> str:  # noqa: PLR0911 - one return a kind
    match message:
        case Spread():
            return f"written here: {told(message.told)}"
        case Compare():
            return f"are yours the same? {len(message.hashes)} of level {message.hashes[0][0].level}"
        case Differ():
            return f"not the same; below there are {len(message.hashes)}"
        case Lists():
            listed = (names(place for place, _ in listing.entries) for listing in message.listings)
            return f"I have there: {'; '.join(listed)}"
        case Found():
            return (
                f"I have: {told(message.told)}; I want: {names(message.wanted)}; never heard: {names(message.unknown)}"
            )
        case Give():
            return f"here: {told(message.told)}"
        case Taken():
            return "that is on my disk"
        case Declined():
            return "not now: I was away for too long to meet anybody new"
        case _:
            return str(message)


def told(records: Iterable[Told]) -> str:
    return (
        ", ".join(
            key_of(each.encoded, NAMESPACE).decode() + ("!" if each.value is None else f"={each.value.decode()}")
            for each in records
        )
        or "-"
    )


def names(places: Iterable[Digest]) -> str:
    return ", ".join(sorted(NAMES[place] for place in places)) or "-"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_stores_say_what_the_golden_has(path: Path):
    golden.check_conversation(path, Talk().answer)
