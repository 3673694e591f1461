import json
from pathlib import Path

from quickstart.core import report
from quickstart.core.report import Step
from ultracloud.testkit import golden

GOLDEN = Path(__file__).parent.parent / "golden"
STEPS = [
    Step("preflight", ok=True, seconds=0.71234, detail="fine"),
    Step("http answered", ok=True, seconds=4.2, detail=""),
]


def test_what_machines_read():
    told = report.to_json(STEPS, 41.5, "tcg", {"iam": 37.849, "total": 150.0})
    golden.check(GOLDEN / "report.json", json.dumps(told, indent=2) + "\n")


def test_one_failed_step_makes_the_whole_fail_and_none_is_no_success():
    failed = [*STEPS, Step("nat", ok=False, seconds=0, detail="")]
    assert report.to_json(failed, 1, "tcg", {})["ok"] is False
    assert report.to_json([], 1, "tcg", {})["ok"] is False


def test_tables_line_up():
    text = f"{report.step_table(STEPS)}\n\n{report.memory_table({'chainfire': 25.38, 'total': 182.0})}\n"
    golden.check(GOLDEN / "tables.txt", text)


def test_a_long_cell_is_cut():
    assert max(map(len, report.render_table(("x",), [("y" * 500,)]).splitlines())) == report.CELL_LENGTH_MAX
