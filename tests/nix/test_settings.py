"""Options of the modules are the services' own settings; what is rendered from them, the services take."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from offline import Nix, written

from tools import nix_settings
from tools.workspace import ROOT
from ultracloud.servicekit import config


def test_options_are_the_fields_of_the_services_configurations() -> None:
    stale = [path.name for path, text in nix_settings.files().items() if path.read_text() != text]
    assert not stale, "run `./dev gen`"


def test_a_new_setting_changes_the_options() -> None:
    shown = nix_settings.fields_of(nix_settings.configuration("chainfire.config:Config"))
    assert shown["storage"]["fields"]["quota_mib"]["default"] == 2048
    assert shown["tls"]["fields"]["key"]["kind"] == "secret"
    assert "NOSPACE" in shown["storage"]["fields"]["quota_mib"]["about"]


def test_every_machines_settings_are_taken_by_the_services(machines: Any, tmp_path: Path) -> None:
    for machine, files in machines.items():
        for name, text in files["settings"].items():
            (path,) = written({f"{machine}-{name}.toml": text}, tmp_path)
            settings = config.load(nix_settings.configuration(nix_settings.PROCESSES[name]), path, {}, name)
            assert str(settings.state_dir) == f"/var/lib/ultracloud/{name}"


def test_what_is_rendered_means_what_was_said(nix: Nix) -> None:
    table = {
        "text": 'a "quoted" \\ back\nslash',
        "odd key.": {"deep": {"number": 1.5, "list": [{"a": 1}, {"b": [True, False]}]}},
        "path": "/run/x",
        "unseen": "\x01\x7f\u00fc\U0001f600",
        "numbers": [9223372036854775807, -5, 1e20, 1e-07, 3.0],
        "": {"": []},
    }
    assert tomllib.loads(nix.rendered(table)) == table
    assert tomllib.loads(nix.rendered({"unset": None, "empty": {"unset": None}, "set": 1})) == {"set": 1}


def test_three_members_are_told_the_same_of_each_other(machines: Any) -> None:
    told = [tomllib.loads(machines[node]["settings"]["chainfire"]) for node in ("node01", "node02", "node03")]
    assert [settings["name"] for settings in told] == ["node01", "node02", "node03"]
    assert told[0]["cluster"]["members"] == [f"node0{n}=https://192.0.2.1{n}:2380" for n in (1, 2, 3)]
    assert all(settings["cluster"] == told[0]["cluster"] for settings in told)


def test_what_runs_once_runs_on_one_machine(machines: Any) -> None:
    for process in ("iam", "plasmavmc"):
        assert [node for node in ("node01", "node02", "node03") if process in machines[node]["settings"]] == ["node01"]
    assert 7003 in machines["node01"]["firewall"]
    assert 7003 not in machines["node02"]["firewall"]


def test_a_machine_alone_lets_others_reach_the_gateway_only(machines: Any) -> None:
    assert machines["single-node-quickstart"]["firewall"] == [443]


def test_others_know_a_node_by_its_name_and_address_of_either_kind(nix: Nix) -> None:
    called = nix.evaluated("renamed")
    assert called["wanted"] == [f"{one}-agent:root:agent/{one}/alpha" for one in ("plasmavmc", "prismnet")]
    assert called["hosts"] == ["alpha", "alpha"]
    assert called["member"] == "alpha"
    assert called["members"][:2] == ["alpha=https://[fd00::1]:2380", "node02=https://192.0.2.12:2380"]
    assert called["gateway"] == "[::]:443"
    assert not called["failed"]


def test_a_file_beside_the_configuration_comes_with_it(nix: Nix) -> None:
    """A certificate is no secret: `./ca.crt` is copied to the store, and the service is told where it is there."""
    ca = Path(nix.evaluated("brought"))
    assert ca.parent == nix.home / "store"
    assert ca.read_bytes() == (ROOT / "flake.nix").read_bytes()


def test_certificates_have_a_folder_that_every_process_gets_through(nix: Nix) -> None:
    """Units that make them may write nowhere else, and who brings them may have copied a folder that is closed."""
    rules = nix.evaluated("folders")
    assert all("d /srv/certificates 0711 root root" in each for each in rules.values())
    assert "Z /srv/certificates/iam - iam iam" in rules["node01"]
    assert len(rules["single-node-quickstart"]) == 1
