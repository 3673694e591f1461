"""Path templates and the tree that finds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.api.rest.templates import Tree, parse_template


def tree(*templates: str) -> Tree[str]:
    made: Tree[str] = Tree()
    for each in templates:
        method, _, text = each.partition(" ")
        made.add(method, parse_template(text), each)
    return made


def test_a_path_is_found_with_the_values_of_its_variables() -> None:
    found = tree("GET /v1/projects/{project}/vms/{ref}").find("/v1/projects/blue/vms/web-1")
    assert found == ({"GET": "GET /v1/projects/{project}/vms/{ref}"}, ["blue", "web-1"])


def test_a_verb_is_no_part_of_the_name_before_it() -> None:
    found = tree("POST /v1/vms/{ref}:start", "GET /v1/vms/{ref}").find("/v1/vms/web-1:start")
    assert found == ({"POST": "POST /v1/vms/{ref}:start"}, ["web-1"])


def test_an_encoded_colon_is_no_verb() -> None:
    found = tree("POST /v1/vms/{ref}:start", "GET /v1/vms/{ref}").find("/v1/vms/web-1%3Astart")
    assert found == ({"GET": "GET /v1/vms/{ref}"}, ["web-1%3Astart"])


@pytest.mark.parametrize(
    "path", ["", "v1/vms", "/v1//vms", "/v1/vms/", "//v1/vms", "/v1/vm%73", "/v1/vms/a/b", "/V1/vms/a"]
)
def test_a_path_that_is_written_otherwise_is_another_path(path: str) -> None:
    assert tree("GET /v1/vms", "GET /v1/vms/{ref}").find(path) is None


@pytest.mark.parametrize("text", ["v1/vms", "/v1/{a}b", "/v1/**", "/v1/vms:", "/v1/{A}", "/v1//vms", "/v1/{a=vms/*}"])
def test_what_we_do_not_serve_of_the_syntax_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"template|literal"):
        parse_template(text)


def test_the_same_way_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        tree("GET /v1/vms/{ref}", "GET /v1/vms/{other}")


@given(st.text())
def test_no_path_breaks_the_search(path: str) -> None:
    found = tree("GET /v1/vms", "GET /v1/vms/{ref}").find(path)
    assert found is None or path.startswith("/v1/vms")
