import asyncio
import json
import sys
import uuid
from pathlib import Path

import pytest

from quickstart.core import cluster as clusters
from quickstart.core.layout import Layout
from quickstart.errors import CommandError
from quickstart.shell import uc
from ultracloud.servicekit import pki


def cluster_in(state: Path) -> clusters.Cluster:
    """A cloud whose gateway nobody serves."""
    pki.make_ca(state)
    return clusters.Cluster(
        state=state,
        cache=state,
        python=Path(sys.executable),
        host="node-1",
        host_uuid=str(uuid.UUID(int=1)),
        accelerator="tcg",
        ports=dict.fromkeys(clusters.SERVICES, 1),
    )


def test_below_sudo_it_is_the_person_who_typed_sudo(monkeypatch: pytest.MonkeyPatch, is_root: None):
    monkeypatch.setenv("SUDO_UID", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/root/.config")
    person = uc.of_person()
    assert person.before[:3] == ("setpriv", "--reuid", "1")
    assert person.environment["HOME"] != "/root"
    assert "XDG_CONFIG_HOME" not in person.environment


def test_what_means_another_cloud_is_not_passed_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ULTRACLOUD_SERVER", "https://elsewhere.example")
    assert "ULTRACLOUD_SERVER" not in uc.of_person().environment


def test_a_context_is_taken_away_even_when_the_login_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SUDO_UID", raising=False)
    cluster = cluster_in(tmp_path / "state")
    person = uc.of_person()
    asyncio.run(person.types("context", "add", "work", "--server", "https://cloud.example"))
    with pytest.raises(CommandError, match="nothing listens"):
        asyncio.run(uc.enter_for_person(cluster, "secret"))
    asyncio.run(uc.leave_for_person(cluster.layout))
    left = json.loads(asyncio.run(person.types("context", "list", "-o", "json")))["items"]
    assert [(one["name"], one["current"]) for one in left] == [("work", True)]


def test_where_nothing_was_done_nothing_is_undone(tmp_path: Path):
    asyncio.run(uc.leave_for_person(Layout(state=tmp_path, cache=tmp_path)))


def test_each_cloud_has_a_context_of_its_own(tmp_path: Path):
    names = {
        clusters.context_name(Layout(state=state, cache=tmp_path))
        for state in (tmp_path / "quickstart", tmp_path / "a", tmp_path / "b")
    }
    assert len(names) == 3
    assert "quickstart" in names
