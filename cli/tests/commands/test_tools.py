"""What is not a resource's: contexts, doctor, completion, manual pages, iam explain, narrowing."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clouds import EVE, Cloud, Person

from ultracloud.cli.commands.man import walk
from ultracloud.cli.commands.root import root
from ultracloud.cli.shell import index

INTERRUPTIBLE = ("env", "--default-signal=INT", sys.executable, "-m", "ultracloud.cli")
"""Whatever runs the tests in the background has them ignore interrupts, and their children too."""


def environment(dev: Person) -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}


def test_contexts_are_added_used_changed_and_removed(uc: Person) -> None:
    uc.ok("context", "add", "a", "--server", "https://a.example", "-p", "blue")
    uc.ok("context", "add", "b", "--server", "b.example:8443", "--no-use")
    assert uc.ok("context", "ls", "-o", "name").out == "a\nb\n"
    uc.ok("context", "use", "b")
    uc.ok("context", "set", "-p", "green")
    assert "https://b.example:8443" in uc.ok("context", "show").out
    assert uc.ok("context", "show", "-o", "json").json["project"] == "green"
    uc.ok("context", "rm", "a", "b")
    assert "no cloud is named" in uc.fails(1, "vm", "list", "-p", "x")
    said = uc.ok("context", "list")
    assert (said.out, "uc context add" in said.err) == ("", True)
    file = uc.home / "xdg_config_home/ultracloud/config.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_directory_pins_its_project(uc: Person) -> None:
    uc.ok("context", "add", "a", "--server", "https://a.example", "-p", "blue")
    uc.ok("context", "pin", "-p", "pinned")
    below = uc.home / "work" / "deep"
    below.mkdir()
    os.chdir(below)
    assert "/projects/pinned/" in uc.ok("vm", "list", "--curl").out
    assert "/projects/flag/" in uc.ok("vm", "list", "-p", "flag", "--curl").out
    assert "/projects/first/" in uc.ok("-p", "first", "vm", "list", "--curl").out


def test_a_project_file_cannot_choose_a_server(uc: Person) -> None:
    (uc.home / "work" / ".ultracloud.toml").write_text('server = "https://evil.example"\n')
    assert "unknown key 'server'" in uc.fails(2, "vm", "list", "-p", "x")


def test_doctor_finds_a_whole_cloud_well(dev: Person) -> None:
    said = dev.types("doctor", "-o", "json")
    states = {check["what"]: check["state"] for check in said.json["checks"]}
    assert {states[what] for what in ("context", "gateway", "certificate", "versions", "login")} == {"ok"}, said.out
    assert (states["service iam"], states["service prismnet"]) == ("ok", "ok")
    assert (said.code, states["service plasmavmc"]) == (2, "failed")


def test_doctor_says_what_to_do_when_nobody_is_there(uc: Person) -> None:
    assert "uc context add" in uc.types("doctor").out
    uc.ok("context", "add", "a", "--server", "http://127.0.0.1:1")
    said = uc.types("doctor")
    assert said.code == 2
    assert "failed   gateway: nothing listens" in said.out
    assert "to do: is the gateway running" in said.out


def test_the_servers_version_is_compared(dev: Person) -> None:
    assert dev.ok("version", "-o", "json").json["server_api"] == index.api_version()


def test_who_may_is_explained(dev: Person) -> None:
    assert dev.ok("iam", "explain", "prismnet.vpcs.create").out.startswith("allowed: ")
    said = dev.types("iam", "explain", "spiffe://ultracloud.local/operator/bob", "prismnet.vpcs.create", "--check")
    assert (said.code, said.out.startswith("denied: ")) == (4, True), said


def test_a_stranger_gets_the_same_answer_for_what_is_and_what_is_not(uc: Person, cloud: Cloud) -> None:
    uc.logs_in(cloud, EVE)
    answers = {
        uc.fails(4, "vpc", "list", "-p", name).partition("\nrequest id")[0].replace(name, "P")
        for name in ("blue", "no-such")
    }
    assert len(answers) == 1


def keep(dev: Person, token: str) -> Path:
    path = dev.home / "weak"
    path.write_text(token)
    return path


def test_a_narrowed_token_reads_and_does_not_write(dev: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    dev.ok("vpc", "create", "narrow", "--cidr", "10.0.0.0/16")
    weak = dev.ok("token", "narrow", "--read-only", "--to-project", "blue", "--for", "1h").out.strip()
    monkeypatch.setenv("ULTRACLOUD_TOKEN", weak)
    assert "narrow" in dev.ok("vpc", "get", "narrow").out
    dev.fails(4, "vpc", "set", "narrow", "egress_nat=true")


def test_a_watch_shows_what_is_and_what_comes(dev: Person) -> None:
    dev.ok("vpc", "create", "w1", "--cidr", "10.0.0.0/16", "--label", "set=watched")
    words = [*INTERRUPTIBLE, "vpc", "ls", "-w", "-l", "set=watched"]
    watching = subprocess.Popen(words, env=environment(dev), stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    try:
        assert watching.stdout.readline().startswith("EVENT")
        assert watching.stdout.readline().startswith("EXISTS")
        dev.ok("vpc", "create", "w2", "--cidr", "10.0.0.0/16", "--label", "set=watched")
        assert watching.stdout.readline().startswith("ADDED    w2")
    finally:
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 130
        watching.stdout.close()


def completed(dev: Person, line: str) -> list[str]:
    """What bash is told for a line whose last word is being typed."""
    words = line.split(" ")
    variables = {
        f"_{words[0].upper()}_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    named = f"import sys; sys.argv[0] = '/bin/{words[0]}'"
    program = [sys.executable, "-c", f"{named}; from ultracloud.cli.__main__ import main; main()"]
    done = subprocess.run(program, env=environment(dev) | variables, capture_output=True, text=True, check=False)
    return [found.partition(",")[2] for found in done.stdout.split()]


def test_commands_flags_values_and_live_names_are_completed(dev: Person) -> None:
    dev.ok("vpc", "create", "tab-me", "--cidr", "10.0.0.0/16")
    assert "vpc" in completed(dev, "uc vp")
    assert "create" in completed(dev, "uc vpc cr")
    assert "create" in completed(dev, "ultracloud vpc cr")
    assert "--cidr" in completed(dev, "uc vpc create --ci")
    assert completed(dev, "uc vpc get tab") == ["tab-me"]
    assert completed(dev, "uc vm create --power st") == ["stopped"]
    assert "create" in completed(dev, "uc vpcs ")
    assert completed(dev, "uc delete vpc tab") == ["tab-me"]
    assert completed(dev, "uc explain vpc.spec.e") == ["vpc.spec.egress_nat"]


def test_completion_remembers_names_for_a_moment(dev: Person) -> None:
    dev.ok("vpc", "create", "tab-twice", "--cidr", "10.0.0.0/16")
    assert completed(dev, "uc vpc get tab-tw") == ["tab-twice"]
    dev.ok("vpc", "rm", "tab-twice")
    assert completed(dev, "uc vpc get tab-tw") == ["tab-twice"]


def test_completion_without_a_cloud_is_empty_and_silent(uc: Person) -> None:
    assert completed(uc, "uc vpc get x") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(uc: Person, shell: str) -> None:
    assert "_ULTRACLOUD_COMPLETE" in uc.ok("completion", shell).out


def test_every_command_has_a_manual_page_and_help(uc: Person, tmp_path: Path) -> None:
    said = uc.ok("man", "--dir", str(tmp_path / "man1"))
    pages = sorted(path.name for path in (tmp_path / "man1").iterdir())
    assert said.out == f"{len(pages)} pages written to {tmp_path / 'man1'}\n"
    assert {"uc.1", "uc-vm-create.1", "uc-iam-explain.1"} <= set(pages)
    if shutil.which("groff"):
        drawn = subprocess.run(
            ["groff", "-man", "-ww", "-z", *sorted((tmp_path / "man1").iterdir())], capture_output=True, check=True
        )
        assert drawn.stderr == b""


def test_every_operation_of_the_api_is_a_command() -> None:
    found = {page.name for page in walk(root, ("uc",), None)}
    for name in index.listing():
        for verb in index.noun(name).operations:
            assert f"uc-{name}-{verb}" in found


def test_what_a_project_has_is_counted(dev: Person) -> None:
    dev.ok("vpc", "create", "counted", "--cidr", "10.0.0.0/16")
    said = dev.ok("quota", "usage")
    assert said.out.splitlines()[1].split()[:2] == ["prismnet", "vpcs"]
    assert "warning: plasmavmc is not counted" in said.err


def test_all_projects_are_those_that_one_may_see(dev: Person) -> None:
    dev.ok("vpc", "create", "anywhere", "--cidr", "10.0.0.0/16", "--label", "set=anywhere")
    assert dev.ok("vpc", "ls", "-A", "-l", "set=anywhere", "-o", "name").out == "vpc/anywhere\n"


def test_a_mistyped_command_and_flag_are_usage_errors(uc: Person) -> None:
    assert "did you mean 'vpc'" in uc.fails(2, "vcp")
    assert "did you mean 'list'" in uc.fails(2, "vm", "lsit")
    assert "--cidr" in uc.fails(2, "vpc", "create", "x", "--cdir", "1")


def test_colours_are_for_terminals_only(dev: Person) -> None:
    assert "\x1b" not in dev.ok("doctor", "--help").out
    assert "\x1b" not in dev.types("vpc", "get", "absent").err


def test_an_edit_sends_what_was_changed(dev: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    dev.ok("vpc", "create", "edited", "--cidr", "10.0.0.0/16")
    monkeypatch.setenv("EDITOR", "sed -i s/egress_nat:.*/egress_nat:\\ true/")
    assert dev.ok("vpc", "edit", "edited").out == "vpc/edited changed\n"
    assert dev.ok("vpc", "get", "edited", "-o", "jsonpath={.spec.egress_nat}").out == "true"
    monkeypatch.setenv("EDITOR", "true")
    assert dev.ok("vpc", "edit", "edited").err == "nothing was changed\n"


def test_an_interrupted_command_ends_with_130(dev: Person) -> None:
    words = [*INTERRUPTIBLE, "vpc", "create", "stuck-long", "--cidr", "10.0.0.0/16", "--wait"]
    waiting = subprocess.Popen(words, env=environment(dev), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        if dev.types("vpc", "get", "stuck-long").code == 0:
            break
        time.sleep(0.05)
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(10) == 130
