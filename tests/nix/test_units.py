"""Units of every machine, judged by systemd itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from offline import Nix, path, written

from tools.workspace import ROOT

EXPOSURE_MAX = 4.9
"""`systemd-analyze security` calls it "OK" up to here."""
OURS = ("chainfire", "flaredb", "iam", "prismnet", "plasmavmc", "apigateway", "ultracloud-pki")

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")


@pytest.fixture(scope="module")
def units(nix: Nix, machines: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The units of the machine that has all of them. Programs are this machine's `true`: nothing is built here."""
    texts = dict(machines["single-node-quickstart"]["units"])
    store = str(nix.home / "store")
    folder = tmp_path_factory.mktemp("units")
    return written({name: with_programs_of_the_host(text, store) for name, text in texts.items()}, folder)


def with_programs_of_the_host(unit: str, store: str) -> str:
    return re.sub(rf"^ExecStart={re.escape(store)}\S+", "ExecStart=/bin/true", unit, flags=re.MULTILINE)


def test_units_are_what_systemd_accepts(units: list[Path]) -> None:
    command = ["systemd-analyze", "verify", "--recursive-errors=no", *map(str, units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_refuses_a_misspelt_directive(units: list[Path], tmp_path: Path) -> None:
    chainfire = next(unit for unit in units if unit.name == "chainfire.service")
    (path,) = written({chainfire.name: chainfire.read_text().replace("WatchdogSec", "WatchdogSecs")}, tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert "WatchdogSecs" in done.stderr


def test_units_are_hardened(units: list[Path]) -> None:
    exposures = {unit.name: exposure(unit) for unit in units}
    assert {name.removesuffix(".service").removesuffix("-agent") for name in exposures} == set(OURS)
    assert all(told <= EXPOSURE_MAX for told in exposures.values()), exposures


def exposure(unit: Path) -> float:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return float(said.rpartition("Overall exposure level for")[2].partition(":")[2].split()[0])


def test_every_machine_has_the_same_units_for_the_same_process(machines: Any) -> None:
    hardened = {
        name: [line for line in text.split("\n") if line.startswith(("Protect", "Restrict", "Capab", "System"))]
        for name, text in machines["node01"]["units"].items()
    }
    other = machines["node02"]["units"]
    assert all(set(lines) <= set(other[name].split("\n")) for name, lines in hardened.items() if name in other)


def with_node01(nix: Nix, module: str, told: str) -> Any:
    """What `told` gives of `c`, the configuration of node01 with a module more."""
    guards, configurations = path(ROOT / "nix/guards/offline.nix"), path(ROOT / "nix/configurations.nix")
    expression = (
        f'let o = import {guards} {{ stub = "{nix.stub}"; }};'
        f" c = o.evalConfig ((import {configurations}).node01.modules ++ [ {module} ]); in {told}"
    )
    return json.loads(nix.run("eval", "--json", "--impure", "--expr", expression).stdout)


def test_what_renews_its_certificates_may_write_beside_them(nix: Nix) -> None:
    told = with_node01(
        nix,
        "{ ultracloud.cluster.pki.renew = true; }",
        "builtins.mapAttrs (name: _: c.systemd.services.${name}.serviceConfig.ReadWritePaths or [ ])"
        " { iam = 1; plasmavmc-agent = 1; prismnet-agent = 1; }",
    )
    pki = "/var/lib/ultracloud/pki"
    # prismnet's agent sees the file system as it is.
    assert told == {"iam": [f"{pki}/iam"], "plasmavmc-agent": [f"{pki}/plasmavmc-agent"], "prismnet-agent": []}


def test_state_elsewhere_is_a_folder_that_is_made_and_may_be_written(nix: Nix) -> None:
    told = with_node01(
        nix,
        '{ services.ultracloud.flaredb.settings.state_dir = "/srv/flaredb"; }',
        "{ may = c.systemd.services.flaredb.serviceConfig.ReadWritePaths; made = c.systemd.tmpfiles.rules;"
        " below = c.systemd.services.flaredb.serviceConfig.StateDirectory or null; }",
    )
    assert (told["may"], told["below"]) == (["/srv/flaredb"], None)
    assert "d /srv/flaredb 0700 flaredb flaredb" in told["made"]
