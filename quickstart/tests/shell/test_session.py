import os
import tomllib
from pathlib import Path

import pytest

from quickstart.config import default_cache
from quickstart.core.cluster import SERVICES
from quickstart.core.layout import Layout
from quickstart.errors import QuickstartError
from quickstart.shell import session
from quickstart.shell.session import Phase


@pytest.fixture
def layout(tmp_path: Path):
    return Layout(state=tmp_path / "a state", cache=tmp_path / "cache")


def test_a_new_folder_is_made_and_marked_as_ours(layout: Layout):
    claimed = session.claim(layout)
    assert layout.marker.exists()
    assert not claimed.had_leftovers


def test_a_foreign_folder_is_never_touched(layout: Layout):
    layout.state.mkdir()
    (layout.state / "thesis.tex").write_text("years of work")
    with pytest.raises(QuickstartError, match="not made by the quickstart") as caught:
        session.claim(layout)
    assert "--state" in caught.value.remedy
    assert [path.name for path in layout.state.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(layout: Layout):
    layout.state.write_text("")
    with pytest.raises(QuickstartError, match="is a file"):
        session.claim(layout)


@pytest.mark.parametrize(("phase", "remedy"), [(Phase.RUNNING, "wait for it"), (Phase.KEPT, "--stop")])
def test_a_folder_in_use_is_refused_and_says_by_whom(layout: Layout, phase: Phase, remedy: str):
    session.claim(layout).mark(phase)
    with pytest.raises(QuickstartError) as caught:
        session.claim(layout)
    assert remedy in caught.value.remedy
    if phase is Phase.KEPT:
        assert f"./dev quickstart --state '{layout.state}' --stop" in caught.value.remedy


def test_a_kept_cloud_that_was_ended_is_removed_only_when_asked_for(layout: Layout):
    kept = session.claim(layout)
    (layout.state / "services").mkdir()
    kept.mark(Phase.KEPT)
    os.close(kept.lock)
    with pytest.raises(QuickstartError, match="does not run any more") as caught:
        session.claim(layout)
    assert "--keep` starts it again" in caught.value.remedy
    assert session.reclaim(layout).lock
    assert (layout.state / "services").exists()


def test_what_a_killed_run_left_is_removed(layout: Layout):
    killed = session.claim(layout)
    (layout.state / "services").mkdir()
    (layout.state / "services" / "x").write_text("")
    (layout.logs / "old.log").write_text("")
    os.close(killed.lock)
    again = session.claim(layout)
    assert again.had_leftovers
    assert {path.name for path in layout.state.iterdir()} == session.SURVIVORS
    assert not list(layout.logs.iterdir())


def test_only_the_logs_stay_after_a_run(layout: Layout):
    claimed = session.claim(layout)
    session.make_cluster(layout, [1, 2, 3, 4, 5, 6], "tcg", layout.state / "python")
    (layout.logs / "iam.log").write_text("said")
    claimed.clean()
    assert {path.name for path in layout.state.iterdir()} == session.SURVIVORS
    assert (layout.logs / "iam.log").exists()


def test_the_cluster_survives_its_file_and_everybody_has_a_certificate(layout: Layout):
    session.claim(layout)
    cluster = session.make_cluster(layout, [1, 2, 3, 4, 5, 6], "tcg", layout.state / "python")
    assert session.load_cluster(layout) == cluster
    for name in (*SERVICES, "prismnet-agent", "plasmavmc-agent"):
        tls = tomllib.loads(layout.configuration(name).read_text())["tls"]
        assert len({Path(tls[what]).parent for what in ("certificate", "key", "ca")}) == 1, "its own to replace"
        for file in (tls["certificate"], tls["key"], tls["ca"]):
            assert layout.pki.joinpath(file).stat().st_mode & 0o777 == 0o600


def test_a_folder_without_a_kept_cloud_says_how_to_start_one(layout: Layout):
    with pytest.raises(QuickstartError, match="no cloud is kept") as caught:
        session.load_cluster(layout)
    assert "--keep" in caught.value.remedy


def test_the_checkout_has_the_cache():
    assert default_cache().parent.joinpath("dev").exists()
