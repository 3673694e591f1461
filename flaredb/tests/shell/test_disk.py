from __future__ import annotations

from pathlib import Path

from flaredb.shell.disk import LOOK_S, Room


def test_room_is_looked_at_again_once_it_is_old(tmp_path: Path):
    now_s = [5.0]
    room = Room(tmp_path, 1, lambda: now_s[0])
    first = room.free_bytes()
    assert first > 0
    with (tmp_path / "large").open("wb") as file:
        file.write(bytes(8 << 20))
        file.flush()
        assert room.free_bytes() == first
        now_s[0] += LOOK_S
        assert room.free_bytes() != first
