"""The traffic file: what changes while the gateway runs, what is refused, and the way back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from fronts import TRAFFIC, VPCS_PATH, Front, play, problem

from apigateway.core.traffic import Traffic
from apigateway.shell.versions import FOLDER, KEPT_MAX, Versions, kept_versions
from apigateway.testing import run_command
from ultracloud.servicekit.errors import ConfigError
from ultracloud.servicekit.testing import SetClock

OPERATIONS = ("vpcs.create", "vpcs.get")


def changed(versions: Versions, path: Path, text: str) -> list[Traffic]:
    """What the watch makes of a new text."""
    used: list[Traffic] = []
    path.write_text(text)
    versions.look(used.append)
    return used


def test_a_change_is_used_and_kept_as_a_version(tmp_path: Path) -> None:
    path = tmp_path / "traffic.toml"
    path.write_text(TRAFFIC)
    versions = Versions(path, tmp_path, OPERATIONS)
    assert versions.first().closed == ()
    assert [each.closed for each in changed(versions, path, 'closed = ["vpcs.create"]\n')] == [("vpcs.create",)]
    assert (versions.number, versions.is_refused) == (2, False)


@pytest.mark.parametrize(
    "text",
    [
        "closed = [",
        'closed = ["vpcs.creat"]',
        "[principals]\nper_second = -1",
        "[principals]\nper_secnd = 1",
        '[cors]\norigins = ["example.org"]',
        '[proxies]\ntrusted = ["proxy.example.org"]',
        '[timeouts_s]\n"vpcs.get" = 0.0',
        '[timeouts_s]\n"vpcs.gett" = 1.0',
    ],
)
def test_what_is_wrong_changes_nothing_also_over_a_restart(tmp_path: Path, text: str) -> None:
    path = tmp_path / "traffic.toml"
    path.write_text('closed = ["vpcs.get"]\n')
    versions = Versions(path, tmp_path, OPERATIONS)
    versions.first()
    assert changed(versions, path, text) == []
    assert (versions.number, versions.is_refused) == (1, True)
    again = Versions(path, tmp_path, OPERATIONS)
    assert (again.first().closed, again.is_refused) == (("vpcs.get",), True)


def test_a_first_file_that_is_wrong_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "traffic.toml"
    path.write_text('closed = ["vpcs.creat"]\n')
    with pytest.raises(ConfigError, match=r"'vpcs.creat' is no operation; did you mean vpcs.create\?"):
        Versions(path, tmp_path, OPERATIONS).first()


def test_the_oldest_versions_go(tmp_path: Path) -> None:
    path = tmp_path / "traffic.toml"
    path.write_text(TRAFFIC)
    versions = Versions(path, tmp_path, OPERATIONS)
    versions.first()
    for number in range(KEPT_MAX + 3):
        changed(versions, path, f"[watches]\neach = {number + 1}\n")
    assert len(kept_versions(tmp_path / FOLDER)) == KEPT_MAX


def test_a_file_that_vanishes_and_comes_back_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "traffic.toml"
    path.write_text(TRAFFIC)
    versions = Versions(path, tmp_path, OPERATIONS)
    versions.first()
    path.unlink()
    versions.look(lambda _: None)
    assert versions.is_refused
    assert changed(versions, path, TRAFFIC)
    assert (versions.number, versions.is_refused) == (1, False)


def test_rolling_back_puts_the_file_before_in_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "traffic.toml"
    path.write_text('closed = ["vpcs.get"]\n')
    config = tmp_path / "gateway.toml"
    config.write_text(f'state_dir = "{tmp_path}"\ntraffic = "{path}"\n')
    versions = Versions(path, tmp_path, OPERATIONS)
    versions.first()
    changed(versions, path, TRAFFIC)
    assert run_command(config, "versions", "-o", "json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["version"], one["in_force"]) for one in listed] == [(1, False), (2, True)]
    assert run_command(config, "rollback") == 0
    assert path.read_text() == 'closed = ["vpcs.get"]\n'
    assert "version 1 again" in capsys.readouterr().out
    used: list[Traffic] = []
    versions.look(used.append)
    assert [each.closed for each in used] == [("vpcs.get",)]


def test_a_running_gateway_uses_what_the_file_says(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        await front.make()
        (tmp_path / "traffic.toml").write_text(f'closed = ["vpcs.get"]\n{TRAFFIC}')
        async with asyncio.timeout(5):
            while (await front.client.get(f"{VPCS_PATH}/web")).is_success:
                pass
        assert problem(await front.client.get(f"{VPCS_PATH}/web"))["reason"] == "OPERATION_CLOSED"
        assert (await front.client.get(VPCS_PATH)).is_success

    play(tmp_path, scenario)


def test_without_a_file_the_defaults_hold_for_ever(tmp_path: Path) -> None:
    versions = Versions(None, tmp_path, OPERATIONS)
    assert versions.first() == Traffic()
    asyncio.run(asyncio.wait_for(versions.watch(lambda _: None, SetClock()), 1))
