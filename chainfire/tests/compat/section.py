"""A part of the README that a test writes: between `<!-- NAME -->` and `<!-- /NAME -->`."""

from __future__ import annotations

from pathlib import Path

from ultracloud.testkit import golden

README = Path(__file__).resolve().parents[2] / "README.md"


def check_section(name: str, text: str) -> None:
    """Hold a part of the README against what it should be; `UPDATE_GOLDENS=1` writes it.

    Raises:
        AssertionError: It differs, or there is no such part.
    """
    whole = README.read_text()
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    assert begin in whole, f"{README} has no {begin.strip()}"
    assert end in whole, f"{README} has no {end}"
    before, _, rest = whole.partition(begin)
    golden.check(README, f"{before}{begin}{text}\n{end}{rest.partition(end)[2]}")
