"""curl, the command line and a client generated from `/openapi.json` see and do the same, whoever of them does it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cloud import Cloud, cloud_beside
from drivers import CommandLine, Curl, Driver, Generated, Refused

PATIENCE_S = 20.0
NAMES = ("curl", "uc", "generated")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_beside(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture(scope="module")
def document(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the gateway itself says of its API."""
    with httpx.Client(verify=str(cloud.ca), trust_env=False) as client:
        said = client.get(f"{cloud.url}/openapi.json").raise_for_status()
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_bytes(said.content)
    return path


@pytest.fixture(scope="module")
def drivers(cloud: Cloud, document: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Driver]]:
    folder = tmp_path_factory.mktemp("clients")
    generated = Generated(cloud, folder, document)
    yield {"curl": Curl(cloud), "uc": CommandLine(cloud, folder), "generated": generated}
    generated.close()


@pytest.mark.parametrize("who", NAMES)
def test_what_one_of_them_does_all_of_them_see(drivers: dict[str, Driver], who: str) -> None:
    name = f"by-{who}"
    made = drivers[who].create(name, "10.0.0.0/16")
    assert made["spec"] == {"cidr": "10.0.0.0/16", "egress_nat": False}
    settle(drivers["curl"], name)
    agree(drivers, name, made["metadata"]["id"])
    changed = drivers[who].update(name, nat=True, tier="prod")
    assert (changed["spec"]["egress_nat"], changed["metadata"]["labels"]) == (True, {"tier": "prod"})
    assert agree(drivers, name, made["metadata"]["id"])["spec"] == changed["spec"]
    drivers[who].delete(name)
    for each in drivers.values():
        assert name not in each.list()


def agree(drivers: dict[str, Driver], name: str, id_: str) -> dict[str, dict[str, object]]:
    """What all of them say of a network, alone and in a list; by its name and by its id."""
    said = [drivers["curl"].get(id_), *(each.get(name) for each in drivers.values())]
    said += [each.list()[name] for each in drivers.values()]
    assert all(each == said[0] for each in said), said
    one: dict[str, dict[str, object]] = said[0]
    return one


def settle(driver: Driver, name: str) -> None:
    """Wait until prismnet has seen it: its status must not change between two of those who look."""
    ends_s = time.monotonic() + PATIENCE_S
    while not driver.get(name)["status"].get("conditions"):
        assert time.monotonic() < ends_s, f"{name} is not reconciled"
        time.sleep(0.05)


def test_what_is_refused_is_refused_to_all_of_them_alike(drivers: dict[str, Driver]) -> None:
    drivers["curl"].create("taken", "10.1.0.0/16")
    told: dict[str, list[tuple[object, ...]]] = {}
    for who, each in drivers.items():
        told[who] = [
            refusal(lambda each=each: each.get("none")),
            refusal(lambda each=each: each.delete("none")),
            refusal(lambda each=each: each.update("none", nat=True, tier="x")),
            refusal(lambda each=each: each.create("taken", "10.2.0.0/16")),
        ]
    assert told["curl"] == told["uc"] == told["generated"]
    assert [status for status, _ in told["curl"]] == [404, 404, 404, 409]
    drivers["curl"].delete("taken")


def refusal(ask: object) -> tuple[object, ...]:
    with pytest.raises(Refused) as refused:
        ask()  # type: ignore[operator]
    return refused.value.args


def test_the_generated_client_has_every_operation(drivers: dict[str, Driver], document: Path) -> None:
    generated = drivers["generated"]
    assert isinstance(generated, Generated)
    made = {path.stem for path in (generated.folder / "api").glob("*/*.py")} - {"__init__"}
    paths = json.loads(document.read_text())["paths"].values()
    operations = {operation["operationId"] for path in paths for operation in path.values()}
    assert made == {operation.replace(".", "_") for operation in operations}
