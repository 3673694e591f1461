"""The subset of kubectl's templates."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.jsonpath import parse_template, render
from ultracloud.cli.core.trees import Json

LIST: Json = {
    "items": [
        {"metadata": {"name": "web", "labels": {"a.b/c": "x"}}, "spec": {"vcpus": 4}, "status": {"power": "RUNNING"}},
        {"metadata": {"name": "db"}, "spec": {"vcpus": 2}, "status": {"power": "STOPPED"}},
    ]
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.items[*].metadata.name}", "web db"),
        (".items[0].metadata.name", "web"),
        ("items[-1].metadata.name", "db"),
        ("{$.items[0:1].metadata.name}", "web"),
        ("{.items[0,1].spec.vcpus}", "4 2"),
        ("{.items[0]['metadata','spec'].name}", "web"),
        ("{.items[0].metadata.labels['a.b/c']}", "x"),
        ('{.items[?(@.status.power=="RUNNING")].metadata.name}', "web"),
        ("{.items[?(@.spec.vcpus<4)].metadata.name}", "db"),
        ("{.items[?(@.metadata.labels)].metadata.name}", "web"),
        ("{..name}", "web db"),
        ("{.items[*].spec}", '{"vcpus": 4} {"vcpus": 2}'),
        ('{range .items[*]}{.metadata.name}{"\\t"}{.spec.vcpus}{"\\n"}{end}', "web\t4\ndb\t2\n"),
        ("{.absent.at.all}", ""),
        ("name: {.items[0].metadata.name}!", "name: web!"),
    ],
)
def test_a_template_says(template: str, text: str) -> None:
    assert render(parse_template(template), LIST) == text


@pytest.mark.parametrize(
    "template", ["{", "{.items[}", "{.a[?(}", "{end}", "{range .x}", "{.a[::0]}", "{.a!b}", "{'x}", "{.a[?(@.b==x)]}"]
)
def test_a_wrong_template_is_refused_with_a_sentence(template: str) -> None:
    with pytest.raises(UsageFailure, match="the jsonpath is wrong"):
        parse_template(template)


@given(st.text(alphabet="{}[]().*?@$'\"\\:,a0 <=!", max_size=30))
def test_no_template_breaks_the_parser(template: str) -> None:
    try:
        text = render(parse_template(template), LIST)
    except UsageFailure:
        return
    assert json.dumps(text)
