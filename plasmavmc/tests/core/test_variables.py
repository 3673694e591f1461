"""What a VM's variables may be."""

from __future__ import annotations

import pytest

from plasmavmc.core.variables import Variable, check_variables
from ultracloud.base.faults import InvalidArgumentError


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ((Variable("1ST", "x", ""),), "a variable has the name '1ST'; accepted: letters"),
        ((Variable("", "x", ""),), "a variable has the name ''"),
        ((Variable("A" * 65, "x", ""),), "at most 64 characters"),
        ((Variable("A", "x", ""), Variable("A", "y", "")), "variable A is there twice"),
        ((Variable("A", "x" * 4097, ""),), "A has 4097 bytes; at most 4096"),
        ((Variable("A", "x", "db"),), "A has a value and a secret; give one of them"),
        (tuple(Variable(f"A{number}", "", "") for number in range(33)), "33 variables; at most 32"),
    ],
)
def test_wrong_variables_are_refused_with_what_is_accepted(variables: tuple[Variable, ...], says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        check_variables(variables)


def test_the_largest_variables_are_accepted() -> None:
    check_variables(Variable(f"_{number}" + "x" * 60, "y" * 4096, "") for number in range(32))
