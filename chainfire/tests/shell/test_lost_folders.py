"""Members whose state folder is lost, old, or somebody else's: they hurt nobody, and say what to do."""

import shutil
from pathlib import Path

import pytest
from shell.command_line import run
from shell.members import Cluster, cluster
from shell.servers import wait_until

from ultracloud.testkit.processes import ProcessFailedError

END_S = 20.0


def follower_of(members: Cluster) -> str:
    """A member that does not lead."""
    return next(name for name in members.names if name != members.leader)


def wipe(members: Cluster, name: str) -> None:
    """Take a member's disk away."""
    members.members[name].kill()
    shutil.rmtree(members.folder / name / "state")


def stop_all(members: Cluster) -> None:
    for process in members.members.values():
        process.kill()


def test_a_member_that_lost_its_folder_does_not_come_back_as_who_it_was_and_is_replaced(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        members.put("n1", b"k", b"kept")
        lost = follower_of(members)
        lost_id = members.status(lost).header.member_id
        wipe(members, lost)
        with pytest.raises(ProcessFailedError, match=f"member {lost_id:x} has already been bootstrapped") as ended:
            members.start(lost)
        assert f"chainfire member replace {lost}" in str(ended.value)
        assert not list((members.folder / lost / "state").glob("*/*.snap"))
        answer = run("member", "replace", lost, "--endpoint", members.members[members.leader].addresses[0])
        assert answer.code == 0, answer.err
        config = "\n".join(line[4:] for line in answer.err.splitlines() if line.startswith("    "))
        members.start(lost, cluster=config.partition("[cluster]\n")[2])
        assert members.get(lost, b"k") == b"kept"


def test_a_member_that_lost_its_folder_while_nobody_was_there_is_found_out_before_it_votes(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        members.put("n1", b"k")
        lost = follower_of(members)
        other = next(name for name in members.names if name != lost)
        stop_all(members)
        wipe(members, lost)
        members.launch(lost)
        wait_until((members.folder / lost / "state" / "log").exists)
        members.launch(other)
        assert members.members[lost].wait(END_S) == 1
        assert "has already been bootstrapped" in members.members[lost].tail()


def test_a_member_with_an_old_copy_of_its_folder_does_not_go_on(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        members.put("n1", b"k", b"old")
        stale = follower_of(members)
        folder = members.folder / stale / "state"
        members.members[stale].kill()
        shutil.copytree(folder, tmp_path / "copy")
        members.start(stale)
        for number in range(20):
            members.put(stale, b"k", b"%d" % number)
        members.members[stale].kill()
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "copy", folder)
        members.launch(stale)
        assert members.members[stale].wait(END_S) == 1
        assert "is an old copy" in members.members[stale].tail()
        assert "Traceback" not in members.members[stale].tail()


def test_the_folder_decides_who_a_member_is(tmp_path: Path) -> None:
    with cluster(tmp_path, ["n1", "n2"]) as members:
        assert "an even number survives the loss of no more" in members.members["n1"].log.read_text()
        members.members["n1"].kill()
        begun = [f"n1={members.urls['n1']}", f"n2={members.urls['n2']}", "n3=http://127.0.0.1:1"]
        members.start("n1", cluster=f"members = {begun}")
        said = members.members["n1"].log.read_text()
        assert "are not the members now" in said
        assert "the state folder decides" in said
        members.put("n1", b"k")
        stop_all(members)
        shutil.rmtree(members.folder / "n2" / "state")
        shutil.copytree(members.folder / "n1" / "state", members.folder / "n2" / "state")
        with pytest.raises(ProcessFailedError, match="is the folder of member 'n1'"):
            members.start("n2")
