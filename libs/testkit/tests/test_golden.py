from __future__ import annotations

from pathlib import Path

import pytest

from ultracloud.testkit import golden

GOLDEN = Path(__file__).parent / "golden" / "sum.txt"


def say(line: str) -> str:
    verb, *words = line.split()
    return str(sum(map(int, words))) if verb == "add" else "one\ntwo"


def test_a_conversation_holds() -> None:
    golden.check_conversation(GOLDEN, say)


def test_another_answer_breaks_it() -> None:
    with pytest.raises(AssertionError, match="UPDATE_GOLDENS=1"):
        golden.check_conversation(GOLDEN, lambda _line: "43")


def test_updating_writes_the_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new.txt"
    path.write_text("# why\n> add 1 1\nwrong\nalso wrong\n\n> add 2 2\n")
    monkeypatch.setenv(golden.UPDATE, "1")
    golden.check_conversation(path, say)
    monkeypatch.delenv(golden.UPDATE)
    assert path.read_text() == "# why\n> add 1 1\n2\n\n> add 2 2\n4\n"
    golden.check_conversation(path, say)


def test_a_missing_golden_says_how_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="does not exist; write it with"):
        golden.check(tmp_path / "none.txt", "x")
