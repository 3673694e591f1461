"""etcd's flags, read."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainfire.core.flag_file import parse_file
from chainfire.core.flag_table import FLAGS
from chainfire.core.flags import FlagError, HelpAsked, help_text, members_of, parse, seconds_of


@pytest.mark.parametrize(
    "arguments", [["--name=x"], ["--name", "x"], ["-name=x"], ["-name", "x"], ["--name", "y", "--name", "x"]]
)
def test_a_flag_is_written_as_go_writes_flags(arguments: list[str]) -> None:
    assert parse(arguments, {}).text("name") == "x"


@pytest.mark.parametrize(
    ("text", "is_on"), [("", True), ("=true", True), ("=1", True), ("=F", False), ("=false", False)]
)
def test_a_switch_stands_alone_or_with_its_value(text: str, is_on: bool) -> None:  # noqa: FBT001 - a table's column
    assert parse([f"--force-new-cluster{text}", "--name=x"], {}).is_on("force-new-cluster") is is_on


def test_a_variable_stands_for_a_flag_that_is_not_set() -> None:
    flags = parse(["--name=x"], {"ETCD_DATA_DIR": "/d", "ETCD_WAL_DIR": "", "ETCDCTL_API": "3", "ETCD_OTHER": "1"})
    assert flags.text("data-dir") == "/d"
    assert not flags.is_set("wal-dir")
    assert flags.strangers == ("ETCD_OTHER",)


def test_help_is_asked_for_with_one_letter_or_four() -> None:
    for word in ("-h", "--help", "--h", "-help"):
        with pytest.raises(HelpAsked):
            parse([word], {})
    assert all(f"--{name} '" in help_text() for name, flag in FLAGS.items() if flag.says)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("5s", 5), ("1h30m", 5400), ("100ms", 0.1), ("1.5m", 90), ("-2s", -2), ("3µs", 3e-6)],
)
def test_a_time_is_written_as_go_writes_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "5x", "h5", "1h-5m", "1..5s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="parse error"):
        seconds_of(text)


def test_a_member_may_have_several_urls() -> None:
    found = members_of("a=http://1.1.1.1:1,b=https://2.2.2.2:2,a=http://1.1.1.1:3,")
    assert found == {"a": ("http://1.1.1.1:1", "http://1.1.1.1:3"), "b": ("https://2.2.2.2:2",)}


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_command_line_is_read_or_refused(arguments: list[str]) -> None:
    with suppress(FlagError, HelpAsked):
        parse(arguments, {})


FILE = """
# A configuration of etcd's.
name: 'n1'   # behind a value
data-dir: "/d # not a comment"
wal-dir:
initial-cluster-token: it's
cors: '*'
cipher-suites: [
  A,
  B,
]
listen-client-urls:
  - http://1.1.1.1:1
  - http://1.1.1.1:2
client-transport-security:
  cert-file: c#1

  client-cert-auth: true
peer-transport-security:
  cert-file: p
  allowed-cn: cn
log-outputs: [stderr, /log]
unknown-key: 1
"""


def test_a_file_is_read_as_yaml_would_be() -> None:
    flags = parse_file(FILE)
    assert dict(flags.given) == {
        "name": "n1",
        "data-dir": "/d # not a comment",
        "initial-cluster-token": "it's",
        "cors": "*",
        "cipher-suites": "A,B",
        "listen-client-urls": "http://1.1.1.1:1,http://1.1.1.1:2",
        "cert-file": "c#1",
        "client-cert-auth": "true",
        "peer-cert-file": "p",
        "peer-cert-allowed-cn": "cn",
        "log-outputs": "stderr,/log",
    }
    assert flags.strangers == ("unknown-key",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: {a: b}", "line 1: .* is YAML that is not read here"),
        ("name: &x y", "line 1: .* is YAML that is not read here"),
        ("name: |\n  y", "line 1: .* is YAML that is not read here"),
        ("name", "line 1: 'name' is not 'key: value'"),
        ("a:\n  b: 1", "line 2: 'b' is indented"),
        ("- a", "line 1: a list that belongs to no key"),
        ("name: [a", "line 1: the list that begins here does not end"),
        ("\nheartbeat-interval: x", 'line 2: invalid value "x" for heartbeat-interval'),
    ],
)
def test_other_yaml_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(FlagError, match=why):
        parse_file(text)


@given(st.text(max_size=60))
def test_any_file_is_read_or_refused(text: str) -> None:
    with suppress(FlagError):
        parse_file(text)
