import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.base.faults import InvalidArgumentError
from ultracloud.base.narrowing import Narrowing, describe, is_within, leaves, leaves_pattern, make_narrowing

IDS = st.sampled_from(["a", "b", "ab", "a.b"])
PATHS = st.lists(st.tuples(st.sampled_from(["organisations", "projects", "vms"]), IDS), max_size=3).map(
    lambda pairs: "/".join(part for pair in pairs for part in pair)
)
PARTS = st.sampled_from(["iam", "vms", "get", "*"])
PATTERNS = st.tuples(PARTS, PARTS, PARTS).map(".".join)
NARROWINGS = st.lists(st.builds(Narrowing, PATHS, st.frozensets(PATTERNS, max_size=3)), max_size=3)
PERMISSIONS = st.sampled_from(["iam.vms.get", "iam.iam.get", "iam.vms.vms", "get.vms.iam"])
BLUE = "organisations/acme/projects/blue"


@pytest.mark.parametrize(
    ("resource", "place", "is_in"),
    [
        (BLUE, "", True),
        ("", "", True),
        ("", "projects/blue", False),
        (BLUE, "projects/blue", True),
        (f"{BLUE}/vms/1", "projects/blue", True),
        (f"{BLUE}/vms/1", "projects/blue/vms/1", True),
        (f"{BLUE}/vms/1", f"{BLUE}/vms/1", True),
        (f"{BLUE}/vms/11", "projects/blue/vms/1", False),
        ("organisations/acme/projects/bluest", "projects/blue", False),
        ("organisations/acme", "projects/blue", False),
        ("organisations/projects/projects/red", "projects/blue", False),
        ("organisations/acme/vms/projects/blue/x", "projects/blue", False),
        ("hosts/node-1", "hosts/node-1", True),
    ],
)
def test_a_resource_is_in_a_place_or_not(resource: str, place: str, is_in: bool):  # noqa: FBT001 - a table
    assert is_within(resource, place) is is_in


@given(NARROWINGS, NARROWINGS, PERMISSIONS, PATHS)
def test_another_narrowing_never_leaves_more(few: list[Narrowing], more: list[Narrowing], permission: str, path: str):
    if leaves([*few, *more], permission, path):
        assert leaves(few, permission, path)
        assert leaves(more, permission, path)


@given(NARROWINGS, PATTERNS, PERMISSIONS, PATHS, PATHS)
def test_who_is_left_a_pattern_is_left_all_that_it_matches(
    narrowings: list[Narrowing], pattern: str, permission: str, path: str, below: str
):
    matches = all(one in ("*", other) for one, other in zip(pattern.split("."), permission.split("."), strict=True))
    if matches and leaves_pattern(narrowings, pattern, path):
        inside = f"{path}/{below}" if path and below else path
        assert leaves(narrowings, permission, inside)


def test_what_people_write_is_completed():
    narrowing = make_narrowing("projects/blue", ["*.get", "prismnet.*"])
    assert narrowing == Narrowing("projects/blue", frozenset({"*.*.get", "prismnet.*.*"}))
    assert describe([narrowing]) == "*.*.get, prismnet.*.* in projects/blue"


@pytest.mark.parametrize("place", ["blue", "projects/", "/projects/blue", "projects/../x", "Projects/blue", "a/b/c"])
def test_a_place_that_is_no_path_is_refused(place: str):
    with pytest.raises(InvalidArgumentError, match="accepted: projects/<id>"):
        make_narrowing(place)


def test_too_many_patterns_are_refused():
    with pytest.raises(InvalidArgumentError, match="at most 32"):
        make_narrowing("", [f"a{number}.*" for number in range(33)])
