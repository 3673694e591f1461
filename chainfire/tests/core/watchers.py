"""Watches as a partner in conversations: a store, streams by name, and what each is given."""

from __future__ import annotations

from core.stores import StoreSpeaker, record_shown

from chainfire.core.keyvalue import prefix_end
from chainfire.core.watch import Answer, Canceled, Change, Changes, Created, Progress, Wanted, WatchHub, WatchStream


class WatchSpeaker:
    """`NAME watch KEY ...`, `NAME cancel ID`, `NAME take`; every other line is for the store."""

    def __init__(self) -> None:
        self.store = StoreSpeaker()
        self.hub = WatchHub(self.store.machine.store)
        self.streams: dict[str, WatchStream] = {}

    def say(self, words: list[str]) -> str:  # noqa: PLR0911 - one return a verb
        """Do one line."""
        match words:
            case ["batch", *rest]:
                # Several commands that one sync made durable: published together.
                return self._published("\n".join(self.store.say(part.split()) for part in " ".join(rest).split(";")))
            case [name, "watch", key, *options]:
                return self._stream(name).create(wanted(key, options)) or ""
            case [name, "cancel", watch_id]:
                return self._stream(name).cancel(int(watch_id)) or ""
            case [name, "progress"]:
                return self._stream(name).request_progress() or ""
            case [name, "tick"]:
                return f"due: {self._stream(name).tick_progress()}"
            case [name, "close"]:
                return self._stream(name).close() or ""
            case [name, "take"]:
                return "\n".join(shown(answer) for answer in self._stream(name).take())
            case _:
                return self._published(self.store.say(words))

    def _published(self, answer: str) -> str:
        ready = self.hub.publish(self.store.machine.store.take_changes())
        names = [name for name, stream in self.streams.items() if stream in ready]
        return f"{answer}\nready: {' '.join(names)}" if names else answer

    def _stream(self, name: str) -> WatchStream:
        return self.streams.setdefault(name, WatchStream(self.hub))


def wanted(key: str, options: list[str]) -> Wanted:
    """What a watch wants, from its words."""
    given = dict(option[2:].partition("=")[::2] for option in options if option.startswith("--"))
    plain = [option for option in options if not option.startswith("--")]
    start = key.encode()
    end = plain[0].encode() if plain else b""
    if "prefix" in given:
        end = prefix_end(start)
    if "from" in given:
        end = b"\x00"
    return Wanted(
        start,
        end,
        start_revision=int(given.get("rev", "0")),
        watch_id=int(given.get("id", "0")),
        puts="no-put" not in given,
        deletes="no-delete" not in given,
        prev_kv="prev" in given,
        progress="progress" in given,
        fragment="fragment" in given,
    )


def shown(answer: Answer) -> str:
    """An answer in words."""
    match answer:
        case Created():
            return f"{answer.watch_id}: created at {answer.revision}"
        case Canceled():
            why = f", {answer.reason}" if answer.reason else ""
            compacted = f", compacted up to {answer.compacted}" if answer.compacted else ""
            return f"{answer.watch_id}: {'refused' if answer.refused else 'canceled'}{why}{compacted}"
        case Progress():
            return f"{answer.watch_id}: all up to {answer.revision} was sent"
        case Changes():
            lines = [f"{answer.watch_id}: {len(answer.changes)} changes, store at {answer.revision}"]
            return "\n".join(lines + [f"  {_change_shown(change)}" for change in answer.changes])


def _change_shown(change: Change) -> str:
    was = f", was {record_shown(change.previous)}" if change.previous else ""
    return record_shown(change.record) + was
