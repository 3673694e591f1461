import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from quickstart.core import toml
from quickstart.core.stack import Bind, Program, Stack, render
from ultracloud.servicekit import config

SCALARS = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**63 - 1), st.booleans())
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TABLES = st.recursive(
    st.dictionaries(KEYS, st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), max_size=3),
    lambda tables: st.dictionaries(
        KEYS, st.one_of(SCALARS, tables, st.lists(tables, min_size=1, max_size=3)), max_size=3
    ),
    max_leaves=6,
)


@given(TABLES)
def test_what_is_rendered_parses_to_the_same(table: dict[str, Any]):
    assert tomllib.loads(toml.render(table)) == table


@dataclass(frozen=True)
class Sample:
    path: Path
    missing: str | None = None


def test_none_is_left_out_and_paths_are_strings():
    assert toml.render(toml.table_of(Sample(Path("/a b")))) == 'path = "/a b"\n'


def test_a_stack_survives_its_file(tmp_path: Path):
    stack = Stack(
        control="name",
        programs=(
            Program(name="a", arguments=("sh", "-c", 'echo "x"'), log="/l", environment={"K": "v\n"}, waits=True),
        ),
        binds=(Bind(source="/s p", target="/t"),),
        namespaces=("host",),
    )
    file = tmp_path / "stack.toml"
    file.write_text(render(stack))
    assert config.load(Stack, file, {}, "stack") == stack
