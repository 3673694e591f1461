"""etcdctl, command by command, against chainfire and against etcd: both must be answered alike.

What differs by nature (ids, terms, sizes, versions, times) is replaced by a word before it is compared.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from shell.servers import SERVERS, needs_etcd, wait_until

from chainfire.core.bbolt_reader import Database

ETCDCTL = shutil.which("etcdctl")
pytestmark = [
    needs_etcd,
    pytest.mark.skipif(ETCDCTL is None, reason="etcdctl is not installed (Debian: etcd-client)"),
]
KEPT = (
    (
        re.compile(
            r'"(cluster_id|member_id|raft_term|raftTerm|leader|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse)":\d+'
        ),
        r'"\1":N',
    ),
    (re.compile(r'"peerURLs":\[[^]]*\],'), ""),
    (re.compile(r'"version":"[\d.]+"'), '"version":"V"'),
    (re.compile(r"took = [\d.]+[a-zµ]+"), "took = T"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\b[0-9a-f]{13,16}\b"), "ID"),
    (re.compile(r'"(ID|MemberID|memberID)":\d+'), r'"\1":N'),
    (re.compile(r"\d+ms|\d+s\)"), "T"),
)
"""Patterns of what differs between two servers that answer alike, and what stands for it."""

COMMANDS = """
put foo bar
put foo baz --prev-kv
get foo
get foo -w json
get foo --rev=2
get foo --rev=99
get missing
put foo1 1
put foo2 2
put "key with space" "value with spaces"
get --prefix foo
get --prefix foo --keys-only
get --prefix foo --limit=2 --order=DESCEND
get --prefix foo --sort-by=MODIFY --order=ASCEND -w simple
get --from-key foo1
get foo foo2
get "" --from-key --print-value-only
get --prefix "" -w json --limit=1
put foo --ignore-value
put nothing --ignore-value
put foo x --ignore-lease
del foo1 --prev-kv
del foo1
del --prefix foo2
put --lease=7f3 a b
lease grant 100 -w json
lease list
lease timetolive 1234
lease revoke 1234
lease keep-alive --once 1234
compaction 3
compaction 3
compaction 99
compaction 4 --physical
get foo --rev=2
endpoint health
endpoint status -w json
member list -w json
alarm list
alarm disarm
defrag
get foo --consistency=s
get
put foo
del "" --prefix
"""
INTERACTIVE = {
    "txn": ['value("n") = "1"\n\nput n 2\nget n\n\nput n 1\n\n'] * 3,
    "txn -w json": ['ver("n") > "0"\ncreate("n") != "0"\n\nget n\n\ndel n\n\n'],
}


def etcdctl(
    address: str, words: list[str], *, said: str = "", timeout_s: float = 20, program: str | None = ETCDCTL
) -> str:
    """What a command answers: output, then errors, then the exit code."""
    assert program is not None
    done = subprocess.run(
        [program, f"--endpoints={address}", *words],
        input=said,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=environment(),
    )
    return f"{done.stdout}{errors_of(done.stderr)}exit {done.returncode}\n"


def environment() -> dict[str, str]:
    """etcdctl's environment: API 3, nothing of the machine's."""
    return {"PATH": os.environ["PATH"], "ETCDCTL_API": "3", "HOME": "/nonexistent"}


def errors_of(text: str) -> str:
    """What stderr says besides the client library's own log."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(('{"level"', "\x1b")))


def alike(text: str) -> str:
    """An answer without what differs by nature."""
    for pattern, word in KEPT:
        text = pattern.sub(word, text)
    return text


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A chainfire and an etcd that have seen the same commands."""
    with ExitStack() as stack:
        yield {
            kind: stack.enter_context(start(tmp_path_factory.mktemp(kind))).addresses[0]
            for kind, start in SERVERS.items()
        }


def test_each_command_is_answered_as_etcd_answers_it(addresses: dict[str, str]) -> None:
    commands = [shlex.split(line) for line in COMMANDS.strip().splitlines()]
    for words in commands:
        answers = {kind: alike(etcdctl(address, words)) for kind, address in addresses.items()}
        assert answers["chainfire"] == answers["etcd"], words


@pytest.mark.parametrize("line", INTERACTIVE)
def test_a_transaction_is_answered_as_etcd_answers_it(addresses: dict[str, str], line: str) -> None:
    for said in INTERACTIVE[line]:
        answers = {kind: alike(etcdctl(address, shlex.split(line), said=said)) for kind, address in addresses.items()}
        assert answers["chainfire"] == answers["etcd"]


def background(address: str, words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """A command that goes on until it is ended."""
    assert ETCDCTL is not None
    with log.open("wb") as sink:
        return subprocess.Popen([ETCDCTL, f"--endpoints={address}", *words], stdout=sink, env=environment())


@pytest.mark.parametrize("kind", list(SERVERS))
def test_a_watch_prints_what_happens(addresses: dict[str, str], kind: str, tmp_path: Path) -> None:
    address, log = addresses[kind], tmp_path / "watch"
    watch = background(address, ["watch", "--prefix", "watched/", "--prev-kv"], log)
    try:
        # The first put may come before the watch is made.
        wait_until(lambda: etcdctl(address, ["put", "watched/a", "1"]) != "" and b"PUT" in log.read_bytes())
        etcdctl(address, ["put", "watched/b", "2"])
        etcdctl(address, ["put", "watched/b", "3"])
        etcdctl(address, ["del", "watched/b"])
        end = "PUT\nwatched/b\n2\nPUT\nwatched/b\n2\nwatched/b\n3\nDELETE\nwatched/b\n3\nwatched/b\n\n"
        wait_until(lambda: log.read_text().endswith(end))
    finally:
        watch.kill()
        watch.wait()


@pytest.mark.parametrize("kind", list(SERVERS))
def test_a_lock_waits_for_its_holder(addresses: dict[str, str], kind: str, tmp_path: Path) -> None:
    address = addresses[kind]
    first = background(address, ["lock", "mutex"], tmp_path / "first")
    wait_until(lambda: b"mutex/" in (tmp_path / "first").read_bytes())
    second = background(address, ["lock", "mutex"], tmp_path / "second")
    try:
        wait_until(lambda: "mutex/" in etcdctl(address, ["get", "--prefix", "mutex/", "--keys-only", "--limit=1"]))
        assert (tmp_path / "second").read_bytes() == b""
        first.terminate()
        wait_until(lambda: b"mutex/" in (tmp_path / "second").read_bytes())
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


@pytest.mark.parametrize("kind", list(SERVERS))
def test_an_election_is_won_and_observed(addresses: dict[str, str], kind: str, tmp_path: Path) -> None:
    address = addresses[kind]
    leader = background(address, ["elect", "office", "me"], tmp_path / "leader")
    try:
        wait_until(lambda: b"me" in (tmp_path / "leader").read_bytes())
        observer = background(address, ["elect", "--listen", "office"], tmp_path / "observer")
        try:
            wait_until(lambda: b"me" in (tmp_path / "observer").read_bytes())
        finally:
            observer.kill()
            observer.wait()
    finally:
        leader.kill()
        leader.wait()


def test_a_snapshot_is_saved(addresses: dict[str, str], tmp_path: Path) -> None:
    answer = etcdctl(addresses["chainfire"], ["snapshot", "save", str(tmp_path / "saved")])
    assert answer.endswith("exit 0\n"), answer
    assert Database((tmp_path / "saved").read_bytes()[:-32]).check() > 0
