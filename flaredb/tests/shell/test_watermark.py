from __future__ import annotations

from pathlib import Path

from flaredb.shell.watermark import Watermark


def test_a_watermark_is_remembered(tmp_path: Path):
    for before, after in ((0, 5), (5, 1 << 62)):
        mark = Watermark(tmp_path / "synced")
        assert mark.version == before
        mark.write(after)
        mark.close()


def test_a_half_written_watermark_says_nothing(tmp_path: Path):
    mark = Watermark(tmp_path / "synced")
    mark.write(77)
    mark.close()
    whole = (tmp_path / "synced").read_bytes()
    for torn in (whole[:9], whole[:8] + b"\0" * 8, b""):
        (tmp_path / "synced").write_bytes(torn)
        again = Watermark(tmp_path / "synced")
        assert again.version == 0
        again.close()
