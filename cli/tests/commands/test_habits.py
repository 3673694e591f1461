"""What people bring along from docker, kubectl and the shell: words in another order, pipes, no terminal, slips."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from clouds import Person

UC = [sys.executable, "-m", "ultracloud.cli"]


def environment(dev: Person, **more: str) -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")} | more


def test_a_verb_may_stand_before_its_kind(dev: Person) -> None:
    assert dev.ok("create", "vpc", "verb-first", "--cidr", "10.0.0.0/16").out == "vpc/verb-first created\n"
    assert "verb-first" in dev.ok("describe", "vpc", "verb-first").out
    assert dev.ok("label", "vpc", "verb-first", "tier=web").out == "vpc/verb-first labelled\n"
    assert dev.ok("delete", "vpc", "verb-first").out == "vpc/verb-first deleted\n"


def test_a_plural_alone_lists(dev: Person) -> None:
    dev.ok("vpc", "create", "plural", "--cidr", "10.0.0.0/16", "--label", "set=plural")
    assert dev.ok("vpcs", "-l", "set=plural", "-o", "name").out == "vpc/plural\n"
    assert dev.ok("vpcs", "get", "plural", "-o", "name").out == "vpc/plural\n"
    assert dev.ok("vpcs", "--help").out.startswith("Usage: uc vpcs [OPTIONS] COMMAND")


def test_a_group_without_a_verb_says_what_there_is(uc: Person) -> None:
    for words in ((), ("vpc",), ("iam",), ("context",)):
        said = uc.ok(*words)
        assert (said.out.startswith("Usage: uc"), said.err) == (True, "")


@pytest.mark.parametrize(
    ("word", "instead"), [("exec", "uc console"), ("launch", "uc run"), ("create", "uc vpc create")]
)
def test_words_of_other_programs_lead_to_ours(uc: Person, word: str, instead: str) -> None:
    assert instead in uc.fails(2, word)


def test_the_first_thing_that_is_missing_is_a_cloud(uc: Person) -> None:
    for words in (("ps",), ("vms",), ("get", "project"), ("run", "debian")):
        assert "no cloud is named" in uc.fails(1, *words)


def test_a_project_is_deleted_only_after_a_yes(dev: Person) -> None:
    dev.ok("project", "create", "doomed")
    for words in (("project", "rm", "doomed"), ("rm", "project/doomed")):
        assert "--yes says it" in dev.fails(2, *words)
    assert dev.ok("project", "rm", "doomed", "--dry-run").out.startswith("method: DELETE")
    assert answered(dev, "n\n", "rm", "project/doomed") == 1
    dev.ok("project", "get", "doomed")
    assert answered(dev, "y\n", "rm", "project/doomed") == 0
    assert dev.ok("project", "rm", "doomed", "--yes", "--ignore-not-found").out == ""


def answered(dev: Person, keys: str, *words: str) -> int:
    """The exit code of a command that asks at a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*UC, *words], env=environment(dev), stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.write(ours, keys.encode())
        assert b"Delete project/doomed at https://" in os.read(ours, 4096) + os.read(ours, 4096)
        code = process.wait(20)
    os.close(theirs)
    os.close(ours)
    return code


def test_a_reader_that_has_gone_ends_it_without_a_word(dev: Person) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*UC, "context", "list"], env=environment(dev), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_is_told(dev: Person) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*UC, "context", "list"], env=environment(dev), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, "No space left" in done.stderr) == (1, True)


def test_without_any_output_it_works_all_the_same(dev: Person) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" >&- 2>&-', "sh", *UC, "context", "list"], env=environment(dev), check=False
    )
    assert done.returncode == 0


def test_a_password_is_asked_for_at_a_terminal_only(dev: Person) -> None:
    done = subprocess.run(
        [*UC, "login", "--user", "ada@acme"],
        env=environment(dev),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "--password @FILE" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("variables", "begins"), [({}, b"\x1b[31merror"), ({"NO_COLOR": "1"}, b"error"), ({"TERM": "dumb"}, b"error")]
)
def test_colours_are_for_terminals_that_want_them(dev: Person, variables: dict[str, str], begins: bytes) -> None:
    ours, theirs = pty.openpty()
    kept = environment(dev, TERM="xterm") | variables
    subprocess.run([*UC, "lsit"], env=kept, stdin=theirs, stdout=theirs, stderr=theirs, check=False)
    shown = os.read(ours, 4096)
    os.close(theirs)
    os.close(ours)
    assert shown.startswith(begins)


def test_who_is_logged_in_is_said_by_name(dev: Person) -> None:
    assert dev.ok("whoami").out.splitlines()[0].split() == ["you", "are", "ada@acme"]
