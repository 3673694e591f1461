"""The gateway before real services: whose address the trail has, whose certificate counts, what watches look like."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from cloud import PROXY, Cloud, cloud_beside

from ultracloud.api.grpc.reflection.v1 import reflection_pb2 as reflection
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VpcsClient
from ultracloud.api.rest.absent import why_absent
from ultracloud.api.rest.routes import all_routes
from ultracloud.servicekit import deadlines, pki
from ultracloud.servicekit.channels import connect

VPCS = "/v1/projects/web/vpcs"
DOCUMENT = json.loads((Path(__file__).parents[2] / "api" / "openapi.json").read_text())
NEVER = "6.6.6.6"
VALIDATOR = jsonschema.Draft202012Validator
PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_beside(tmp_path_factory.mktemp("cloud")) as made:
        yield made


def client_of(
    cloud: Cloud, *, token: bool = True, certificate: bool = False, source: str = "127.0.0.1"
) -> httpx.Client:
    trust = ssl.create_default_context(cafile=str(cloud.ca))
    if certificate:
        trust.load_cert_chain(cloud.operator.certificate, cloud.operator.key)
    return httpx.Client(
        base_url=cloud.url,
        headers={"authorization": f"Bearer {cloud.token}"} if token else {},
        transport=httpx.HTTPTransport(verify=trust, local_address=source),
        timeout=20,
    )


def source_in_trail(cloud: Cloud, trace: str) -> str:
    """Which address prismnet's trail has for a call."""
    with client_of(cloud) as client, client.stream("GET", "/v1/services/prismnet/audit:export") as exported:
        lines = [json.loads(line) for part in exported.iter_lines() if part for line in json.loads(part)["lines"]]
    [source] = [line.get("source", "") for line in lines if line.get("request") == trace]
    return str(source)


@pytest.mark.parametrize(
    ("name", "peer", "told", "source"),
    [
        ("plain", "127.0.0.1", "", "127.0.0.1"),
        ("forged", "127.0.0.1", NEVER, "127.0.0.1"),
        ("proxied", PROXY, f"{NEVER}, 192.0.2.7", "192.0.2.7"),
    ],
)
def test_the_trail_has_the_address_that_calls_over_rest(
    cloud: Cloud, name: str, peer: str, told: str, source: str
) -> None:
    with client_of(cloud, source=peer) as client:
        headers = {"x-forwarded-for": told} if told else {}
        made = client.post(VPCS, json={"name": name, "spec": {"cidr": "10.0.0.0/16"}}, headers=headers)
    assert made.status_code == 201, made.text
    assert source_in_trail(cloud, made.headers["x-request-id"]) == source


def test_the_trail_has_the_address_that_calls_over_grpc_whatever_it_says(cloud: Cloud) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    async def call() -> None:
        deadlines.TRACE.set(trace)
        gateway = pki.service_identity("apigateway")
        channel = connect(cloud.url.removeprefix("https://"), expect=gateway, roots=cloud.ca.read_text())
        request = net.CreateVpcRequest(project="web", name="by-grpc", spec=net.VpcSpec(cidr="10.0.0.0/16"))
        headers = (("x-forwarded-for", NEVER),)
        path = "/ultracloud.prismnet.v1.Vpcs/Create"
        await channel.with_token(cloud.token).unary(path, request, net.Vpc, headers=headers)
        await channel.close()

    asyncio.run(call())
    assert source_in_trail(cloud, trace) == "127.0.0.1"


def test_a_certificate_is_nobody_at_the_gateway_and_does_not_change_who_a_token_is(cloud: Cloud) -> None:
    with client_of(cloud, token=False, certificate=True) as client:
        refused = client.get("/v1/whoami")
        assert (refused.status_code, refused.json()["reason"]) == (401, "NO_IDENTITY")
        assert "certificates are not looked at here" in refused.json()["hint"]
        answered = client.get("/v1/whoami", headers={"authorization": f"Bearer {cloud.tenant}"})
        assert answered.json()["principal"].startswith("serviceaccount:")
        denied = client.get("/v1/bindings", headers={"authorization": f"Bearer {cloud.tenant}"})
        assert denied.status_code == 403


def test_the_same_certificate_is_an_operator_at_the_service_itself(cloud: Cloud) -> None:
    async def call() -> str:
        channel = connect(cloud.addresses["prismnet"], cloud.operator, pki.service_identity("prismnet"))
        made = await VpcsClient(channel).create(
            net.CreateVpcRequest(project="web", name="by-operator", spec=net.VpcSpec(cidr="10.0.0.0/16"))
        )
        await channel.close()
        return made.metadata.name

    assert asyncio.run(call()) == "by-operator"


async def services_of(cloud: Cloud, service: str) -> list[str]:
    """The names of all that a service serves, as it says itself."""
    channel = connect(cloud.addresses[service], cloud.operator, pki.service_identity(service))
    asked = reflection.ServerReflectionRequest(list_services="*")

    async def ask() -> AsyncIterator[reflection.ServerReflectionRequest]:
        yield asked

    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    answers = [each async for each in channel.stream(path, ask(), reflection.ServerReflectionResponse)]
    await channel.close()
    return [each.name for each in answers[0].list_services_response.service]


@pytest.mark.parametrize("service", ["iam", "plasmavmc", "prismnet"])
def test_all_that_a_service_serves_has_a_path_to_it_or_a_reason_why_not(cloud: Cloud, service: str) -> None:
    served = asyncio.run(services_of(cloud, service))
    assert f"ultracloud.{service}.v1" in {name.rpartition(".")[0] for name in served}
    reached = {route.service.name for route in all_routes() if service in route.backends}
    assert [name for name in served if name not in reached and not why_absent(name)] == []


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
def test_a_watch_says_what_is_documented_and_goes_on_where_it_was(cloud: Cloud, accept: str) -> None:
    name = f"watched-{accept[-6:].strip('-')}"
    with client_of(cloud) as client:
        with client.stream("GET", f"{VPCS}:watch", headers={"accept": accept}) as watch:
            assert watch.headers["content-type"] == accept
            seen = first_events(watch)
        assert seen[-1]["type"] == "BOOKMARK"
        mark = seen[-1]["version"]
        client.post(VPCS, json={"name": name, "spec": {"cidr": "10.0.0.0/16"}}).raise_for_status()
        on = {"last-event-id": mark} if accept == "text/event-stream" else {}
        with client.stream("GET", f"{VPCS}:watch", params=None if on else {"from_version": mark}, headers=on) as watch:
            later = next(event for event in events(watch))
        assert (later["type"], later["object"]["metadata"]["name"]) == ("PUT", name)
    schema = {"$ref": "#/components/schemas/VpcEvent", "components": DOCUMENT["components"]}
    for event in (*seen, later):
        jsonschema.validate(event, schema, VALIDATOR)


WATCHES = {path: each["get"] for path, each in DOCUMENT["paths"].items() if path.endswith(":watch")}
PLACES = {"project": "web", "organisation": "acme"}


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
def test_every_watch_says_what_is_documented_and_refuses_as_documented(cloud: Cloud, accept: str) -> None:
    assert len(WATCHES) > 15
    told = 0
    for path, operation in WATCHES.items():
        schema = operation["responses"]["200"]["content"]["application/x-ndjson"]["schema"]
        with client_of(cloud) as client:
            with client.stream("GET", path.format(**PLACES), headers={"accept": accept}) as watch:
                assert (watch.status_code, watch.headers["content-type"]) == (200, accept), path
                # What is no resource has no bookmark; this iam was handed no authority whose roots it could tell.
                seen = first_events(watch) if operation["x-ultracloud"]["kind"] else []
            wrong = client.get(path.format(**PLACES), params={"no_such": "x"}, headers={"accept": accept})
            nobody = client.get(path.format(**PLACES), headers={"accept": accept, "authorization": ""})
        for event in seen:
            jsonschema.validate(event, {**schema, "components": DOCUMENT["components"]}, VALIDATOR)
        told += len(seen)
        assert [each.status_code for each in (wrong, nobody)] == [400, 401], path
        assert all(str(each.status_code) in operation["responses"] for each in (wrong, nobody)), path
        jsonschema.validate(wrong.json(), {**PROBLEM, "components": DOCUMENT["components"]}, VALIDATOR)
    assert told > 10, "too little existed to say much of"


def first_events(watch: httpx.Response) -> list[dict[str, Any]]:
    """What a watch says until it has told all that existed."""
    seen = []
    for event in events(watch):
        seen.append(event)
        if event["type"] == "BOOKMARK":
            return seen
    raise AssertionError("the watch ended")


def events(watch: httpx.Response) -> Iterator[dict[str, Any]]:
    """Its messages, in either form."""
    ends_s = time.monotonic() + 20
    for line in watch.iter_lines():
        assert time.monotonic() < ends_s, "the watch says nothing"
        text = line.removeprefix("data: ")
        if text.startswith("{"):
            yield json.loads(text)
