"""Which cloud, whose identity, which project: what of several sources holds."""

import tomllib

import pytest

from ultracloud.cli.core.failures import Failure, UsageFailure
from ultracloud.cli.core.settings import (
    Contexts,
    Target,
    check_server,
    choose,
    parse_contexts,
    parse_project_file,
    render_contexts,
)

HOME = Target(name="home", server="https://h:1", project="blue", ca='/a"b\\c.crt', insecure=True)
WORK = Target(name="work", server="https://w:1", org="acme")
BOTH = Contexts("home", {"home": HOME, "work": WORK})


def test_contexts_survive_their_file() -> None:
    assert parse_contexts(tomllib.loads(render_contexts(BOTH))) == BOTH


@pytest.mark.parametrize(
    ("pinned", "environment", "flags", "project", "source"),
    [
        ({}, {}, {}, "blue", "context"),
        ({"project": "p1"}, {}, {}, "p1", ".ultracloud.toml"),
        ({"project": "p1"}, {"ULTRACLOUD_PROJECT": "p2"}, {}, "p2", "environment"),
        ({"project": "p1"}, {"ULTRACLOUD_PROJECT": "p2"}, {"project": "p3"}, "p3", "flag"),
    ],
)
def test_the_nearest_word_holds(
    pinned: dict[str, str], environment: dict[str, str], flags: dict[str, str], project: str, source: str
) -> None:
    chosen = choose(BOTH, pinned, environment, flags)
    assert (chosen.target.project, chosen.sources["project"]) == (project, source)


def test_another_server_gets_nothing_of_the_context() -> None:
    target = choose(BOTH, {}, {}, {"server": "https://evil:1"}).target
    assert target == Target(server="https://evil:1")


def test_a_project_file_chooses_no_server() -> None:
    with pytest.raises(UsageFailure, match="unknown key 'server'; accepted: context, project, org"):
        parse_project_file({"server": "https://evil"})


def test_an_unknown_context_names_the_nearest() -> None:
    with pytest.raises(Failure) as refused:
        choose(BOTH, {}, {}, {"context": "wrok"})
    assert (refused.value.exit_code, refused.value.hint) == (3, "did you mean 'work'?")


def test_a_mistyped_key_of_the_configuration_is_refused() -> None:
    with pytest.raises(UsageFailure, match="unknown key 'sever'") as refused:
        parse_contexts({"contexts": {"home": {"sever": "x"}}})
    assert "'server'" in refused.value.hint


@pytest.mark.parametrize(
    ("given", "server"), [("h", "https://h"), ("http://h:80/", "http://h:80"), ("https://[::1]:1", "https://[::1]:1")]
)
def test_a_server_is_an_origin(given: str, server: str) -> None:
    assert check_server(given) == server


@pytest.mark.parametrize(
    "given", ["", "ftp://h", "https://", "https://u@h", "https://h/x", "https://h?x", "https://h:x", "h h", "h\nx"]
)
def test_what_is_no_server_is_refused(given: str) -> None:
    with pytest.raises(UsageFailure, match="is no address"):
        check_server(given)
