"""What the README says is what the code does, where that can be compared."""

import ast
from collections.abc import Iterator
from pathlib import Path

MEMBER = Path(__file__).parent.parent


def reasons() -> Iterator[str]:
    """Every reason that a fault of iam's own carries."""
    for path in sorted((MEMBER / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for keyword in node.keywords if isinstance(node, ast.Call) else ():
                if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant) and keyword.value.value:
                    yield str(keyword.value.value)


def test_every_reason_of_a_refusal_is_in_the_readme():
    readme = (MEMBER / "README.md").read_text()
    missing = sorted({reason for reason in reasons() if reason not in readme})
    assert not missing
