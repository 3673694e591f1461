"""Names and imports of the generated stubs."""

from __future__ import annotations

import pytest

from tools.gen import snake, with_imports_moved


@pytest.mark.parametrize(
    ("method", "attribute"),
    [("DeleteRange", "delete_range"), ("WhoAmI", "who_am_i"), ("HashKV", "hash_kv"), ("Get", "get")],
)
def test_rpc_name_becomes_a_python_name(method: str, attribute: str) -> None:
    assert snake(method) == attribute


def test_imports_move_below_the_api_package_once() -> None:
    moved = with_imports_moved("from ultracloud.iam.v1 import iam_pb2\n")
    assert moved == "from ultracloud.api.iam.v1 import iam_pb2\n"
    assert with_imports_moved(moved) == moved
