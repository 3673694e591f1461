"""Real clients of a whole control plane: curl and httpx agree, a tenant stays in their place, logins need no token."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cloud import Cloud, cloud_beside

VPCS = "/v1/projects/web/vpcs"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_beside(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture
def client(cloud: Cloud) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {cloud.token}"}
    with httpx.Client(base_url=cloud.url, headers=headers, verify=str(cloud.ca), trust_env=False) as made:
        yield made


def curl(cloud: Cloud, path: str, *options: str) -> Any:
    command = ["curl", "-sS", "--noproxy", "*", "--cacert", str(cloud.ca), "-H", f"Authorization: Bearer {cloud.token}"]
    ran = subprocess.run([*command, *options, f"{cloud.url}{path}"], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_and_httpx_agree(cloud: Cloud, client: httpx.Client, version: str) -> None:
    name = f"by-curl{version.strip('-').replace('.', '-')}"
    body = json.dumps({"name": name, "spec": {"cidr": "10.0.0.0/16"}})
    made = curl(cloud, VPCS, version, "-H", "Content-Type: application/json", "-d", body)
    found = client.get(f"{VPCS}/{name}").json()
    assert found["metadata"]["id"] == made["metadata"]["id"]
    assert found == curl(cloud, f"{VPCS}/{name}", version)
    refused = curl(cloud, f"{VPCS}/none", version)
    assert {**refused, "request_id": ""} == {**client.get(f"{VPCS}/none").json(), "request_id": ""}


def test_a_tenant_makes_a_network_and_sees_nothing_of_the_cloud(cloud: Cloud, client: httpx.Client) -> None:
    mine = {"authorization": f"Bearer {cloud.tenant}"}
    made = client.post(VPCS, json={"name": "mine", "spec": {"cidr": "10.1.0.0/16"}}, headers=mine)
    assert made.status_code == 201, made.text
    for path in ("/v1/services/iam/audit/0", "/v1/bindings"):
        assert client.get(path, headers=mine).status_code == 403


def test_a_login_needs_no_token_and_the_gateways_own_identity_is_of_no_use(cloud: Cloud, client: httpx.Client) -> None:
    client.headers.pop("authorization")
    found = client.post("/v1/sessions:login", json={})
    assert found.status_code in (400, 401), found.text
    assert found.json().get("reason") != "NO_IDENTITY"
    assert client.get("/v1/whoami").json()["reason"] == "NO_IDENTITY"
