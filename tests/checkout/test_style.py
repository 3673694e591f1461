"""The style test finds what it says it finds."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import style


def breaches(path: str, text: str) -> list[str]:
    tree = ast.parse(text)
    check = style.check_test if "tests" in path else style.check_product
    found = list(check(style.ROOT / path, tree))
    if style.is_core(Path(path)):
        found += style.check_core(style.ROOT / path, tree)
    return [breach.rule for breach in found]


@pytest.mark.parametrize(
    ("path", "text", "rule"),
    [
        ("iam/src/iam/core/x.py", "import time", "shape 1"),
        ("iam/src/iam/core/x.py", "from os import path", "shape 1"),
        ("iam/src/iam/core/x.py", "from ultracloud.api.iam.v1 import iam_pb2", "shape 1"),
        ("iam/src/iam/core/x.py", "from iam.shell import rpc", "shape 1"),
        ("libs/base/src/ultracloud/base/x.py", "import random", "shape 1"),
        ("iam/src/iam/shell/x.py", "try:\n    f()\nexcept Exception:\n    pass", "errors 13"),
        ("iam/src/iam/shell/x.py", "try:\n    f()\nexcept:\n    pass", "errors 13"),
        ("iam/src/iam/shell/x.py", "def f():\n" + "    g()\n" * 61, "shape 6"),
        ("iam/tests/test_x.py", "from unittest.mock import Mock", "tests 22"),
        ("iam/tests/test_x.py", "class TestX:\n    pass", "tests 20"),
    ],
)
def test_breach_is_found(path: str, text: str, rule: str) -> None:
    assert breaches(path, text) == [rule]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("iam/src/iam/shell/x.py", "import time"),
        ("iam/src/iam/core/x.py", "import struct"),
        ("iam/src/iam/shell/x.py", "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
        ("iam/src/iam/shell/x.py", "try:\n    f()\nexcept OSError:\n    pass"),
    ],
)
def test_good_code_is_left_alone(path: str, text: str) -> None:
    assert breaches(path, text) == []
