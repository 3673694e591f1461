import asyncio
from pathlib import Path

import pytest

from iam.shell import changes as changes_module
from iam.shell.changes import Changes
from iam.testing import running_iam
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.base.policy import Delta, Organisation
from ultracloud.servicekit.policy_wire import render_delta
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.streams import closing

PRISMNET = "spiffe://ultracloud.local/service/prismnet"


def change(base: int, version: int) -> pb.PolicySnapshot:
    return render_delta(base, Delta(version, put=(Organisation(f"org-{version}", f"o{version}"),)), {})


def test_who_is_behind_gets_all_changes_since_as_one():
    kept = Changes()
    for base, version in ((3, 5), (5, 9), (9, 10)):
        kept.append(change(base, version))
    told = kept.since(5)
    assert told is not None
    assert (told.base_version, told.version, [one.id for one in told.organisations]) == (5, 10, ["org-9", "org-10"])


@pytest.mark.parametrize("version", [0, 2, 4, 10, 11])
def test_who_knows_something_else_gets_everything(version: int):
    kept = Changes()
    kept.append(change(3, 5))
    kept.append(change(5, 10))
    assert kept.since(version) is None


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch):
    kept = Changes()
    monkeypatch.setattr(changes_module, "CHANGES_MAX", 2)
    for version in range(1, 5):
        kept.append(change(version, version + 1))
    assert kept.since(2) is None
    assert kept.since(3) is not None
    monkeypatch.setattr(changes_module, "BYTES_MAX", 1)
    kept.append(change(5, 6))
    assert kept.since(5) is None


def test_after_a_restart_of_iam_who_knew_the_policy_before_is_told_only_what_changed(tmp_path: Path):
    async def scenario() -> pb.PolicySnapshot:
        store = MemoryStore()
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada:
            await ada.make_organisation("acme")
            async with asyncio.timeout(5):
                while not (tmp_path / "state" / "policy.bin").exists():  # noqa: ASYNC110 - a file tells nobody
                    await asyncio.sleep(0.01)
            known = iam.source.snapshot.policy.version
        async with running_iam(tmp_path, store) as iam, iam.clients() as ada, iam.clients(PRISMNET) as prismnet:
            await ada.make_organisation("other")
            async with closing(prismnet.policy.watch(pb.WatchPolicyRequest(known_version=known))) as stream:
                return await asyncio.wait_for(anext(stream), 5)

    told = asyncio.run(scenario())
    assert told.base_version
    assert [one.name for one in told.organisations] == ["other"]
