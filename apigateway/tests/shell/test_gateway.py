"""REST through a gateway, on sockets, before a real service."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from fronts import STRANGER, VPCS_PATH, Front, bearer, play, problem

from apigateway.core.streaming import Mark
from apigateway.shell.streams import Marks
from ultracloud.api.iam.v1.ca_pb2 import Trust
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VpcsClient
from ultracloud.api.quota.v1 import quota_pb2 as quota
from ultracloud.api.quota.v1.quota_rpc import QuotasClient
from ultracloud.api.resource.v1.resource_pb2 import GetRequest, WatchRequest
from ultracloud.api.rest.routes import all_routes
from ultracloud.base.faults import InvalidArgumentError, UnauthenticatedError
from ultracloud.servicekit.channels import connect


def test_a_resource_is_made_read_listed_changed_and_deleted(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        made = await front.make(egress_nat=True)
        read = (await front.client.get(f"{VPCS_PATH}/web")).json()
        assert read == made
        listed = (await front.client.get(VPCS_PATH)).json()
        assert (listed["items"], listed["next_page_token"]) == ([made], "")
        url = f"{VPCS_PATH}/{made['metadata']['id']}"
        changed = await front.client.patch(url, json={"spec": {"egress_nat": False}})
        assert changed.json()["spec"] == {"cidr": "10.0.0.0/16", "egress_nat": False}
        assert (await front.client.delete(f"{VPCS_PATH}/web")).status_code == 200
        assert problem(await front.client.get(f"{VPCS_PATH}/web"))["reason"] == "RESOURCE_NOT_FOUND"

    play(tmp_path, scenario)


def test_an_etag_saves_a_body_and_guards_a_change(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        await front.make()
        first = await front.client.get(f"{VPCS_PATH}/web")
        etag = first.headers["etag"]
        again = await front.client.get(f"{VPCS_PATH}/web", headers={"if-none-match": etag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        change = {"labels": {"tier": "prod"}}
        assert (await front.client.patch(f"{VPCS_PATH}/web", json=change, headers={"if-match": etag})).is_success
        late = await front.client.patch(f"{VPCS_PATH}/web", json={"labels": {"a": "b"}}, headers={"if-match": etag})
        assert (late.status_code, problem(late)["reason"]) == (412, "ETAG_MISMATCH")

    play(tmp_path, scenario)


def test_a_key_makes_a_create_harmless_twice(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        body, key = {"name": "web", "spec": {"cidr": "10.0.0.0/16"}}, {"idempotency-key": "k1"}
        first, second = [await front.client.post(VPCS_PATH, json=body, headers=key) for _ in range(2)]
        assert first.json() == second.json()
        assert first.headers["location"] == f"{VPCS_PATH}/{first.json()['metadata']['id']}"
        other = await front.client.post(VPCS_PATH, json={**body, "name": "db"}, headers=key)
        assert problem(other)["reason"] == "IDEMPOTENCY_KEY_REUSED"

    play(tmp_path, scenario)


def test_pages_follow_each_other(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        names = {f"v{number}" for number in range(5)}
        for name in names:
            await front.make(name)
        found, token = [], ""
        while not found or token:
            page = (await front.client.get(VPCS_PATH, params={"page_size": 2, "page_token": token})).json()
            found += [item["metadata"]["name"] for item in page["items"]]
            token = page["next_page_token"]
        assert sorted(found) == sorted(names)

    play(tmp_path, scenario)


def test_who_has_no_right_learns_nothing(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        await front.make()
        there = await front.client.get(f"{VPCS_PATH}/web", headers=bearer(STRANGER))
        absent = await front.client.get(f"{VPCS_PATH}/none", headers=bearer(STRANGER))
        assert there.status_code == absent.status_code == 403
        told = [{**problem(each), "request_id": ""} for each in (there, absent)]
        assert told[0] == told[1]

    play(tmp_path, scenario)


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer x", "bearer a b", "Bearer e30.e30.e30"])
def test_without_a_good_token_nothing_is_passed_on(tmp_path: Path, header: str) -> None:
    async def scenario(front: Front) -> None:
        for path in (f"{VPCS_PATH}/web", "/v1/whoami"):
            found = await front.client.get(path, headers={"authorization": header})
            assert problem(found)["code"] == "UNAUTHENTICATED"
            assert found.headers["www-authenticate"].startswith('Bearer realm="ultracloud"')

    play(tmp_path, scenario)


def test_no_path_is_served_without_a_token_but_those_that_bring_a_proof(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        front.client.headers.pop("authorization")
        answered = {}
        for route in all_routes():
            path = re.sub(r"\{\w+\}", "x", route.template.text)
            found = await front.client.request(route.http_method, path, json={} if route.body else None)
            answered[route.operation] = found.status_code
        refused = {operation for operation, status in answered.items() if status == 401}
        assert set(answered) - refused == {route.operation for route in all_routes() if route.is_open}

    play(tmp_path, scenario)


def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        found = await front.client.put(f"{VPCS_PATH}/web", json={})
        assert (found.status_code, found.headers["allow"]) == (405, "DELETE, GET, OPTIONS, PATCH")
        head = await front.client.head(VPCS_PATH)
        assert (head.status_code, head.content) == (200, b"")
        assert (await front.client.head(f"{VPCS_PATH}:watch")).status_code == 405

    play(tmp_path, scenario)


def test_a_request_has_the_trace_it_came_with(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        sent = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        found = await front.client.post(VPCS_PATH, json={"name": "web"}, headers=sent)
        assert problem(found)["request_id"] == trace
        await front.client.post(VPCS_PATH, json={"name": "web", "spec": {"cidr": "10.0.0.0/16"}}, headers=sent)
        records = [record for lane in range(64) for record in await front.resources.trail.read(lane)]
        assert [record.request for record in records] == [trace]

    play(tmp_path, scenario)


def test_a_watch_tells_what_exists_then_changes_and_goes_on_where_it_was(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        await front.make("one")
        url = f"{VPCS_PATH}:watch"
        async with front.client.stream("GET", url) as watch:
            lines = watch.aiter_lines()
            assert watch.headers["content-type"] == "application/x-ndjson"
            first, mark = json.loads(await anext(lines)), json.loads(await anext(lines))
            assert (first["type"], first["object"]["metadata"]["name"], mark["type"]) == ("PUT", "one", "BOOKMARK")
            await front.make("two")
            assert json.loads(await anext(lines))["object"]["metadata"]["name"] == "two"
        async with front.client.stream("GET", url, params={"from_version": mark["version"]}) as watch:
            assert json.loads(await anext(watch.aiter_lines()))["object"]["metadata"]["name"] == "two"

    play(tmp_path, scenario)


def test_events_have_ids_to_go_on_from_once_all_that_existed_is_told(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        await front.make("one")
        accept = {"accept": "text/event-stream"}
        async with front.client.stream("GET", f"{VPCS_PATH}:watch", headers=accept) as watch:
            lines = watch.aiter_lines()
            told = [await anext(lines) for _ in range(6)]
        assert [line.partition(":")[0] for line in told] == ["event", "data", "", "event", "id", "data"]
        version = told[4].removeprefix("id: ")
        await front.make("two")
        async with front.client.stream(
            "GET", f"{VPCS_PATH}:watch", headers={**accept, "last-event-id": version}
        ) as watch:
            lines = watch.aiter_lines()
            assert [(await anext(lines)).partition(":")[0] for _ in range(3)] == ["event", "id", "data"]

    play(tmp_path, scenario)


def test_a_watch_that_is_refused_is_answered_with_its_status(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        found = await front.client.get(f"{VPCS_PATH}:watch", headers=bearer(STRANGER))
        assert (found.status_code, problem(found)["code"]) == (403, "PERMISSION_DENIED")

    play(tmp_path, scenario)


def test_watches_of_one_caller_are_counted_and_given_back(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        url = f"{VPCS_PATH}:watch"
        async with front.client.stream("GET", url) as watch:
            await anext(watch.aiter_lines())
            refused = await front.client.get(url)
            assert (refused.status_code, problem(refused)["reason"]) == (429, "WATCHES_TOO_MANY")
        async with asyncio.timeout(5):
            while True:
                async with front.client.stream("GET", url) as again:
                    if again.is_success:
                        return

    play(tmp_path, scenario, "[watches]\neach = 1\n")


def test_a_service_that_is_asked_by_name(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        found = await front.client.get("/v1/services/prismnet/projects/blue/quota")
        assert found.json() == {"amounts": []}
        assert problem(await front.client.get("/v1/services/iam/projects/blue/quota"))["reason"] == "SERVICE_UNKNOWN"
        absent = await front.client.get("/v1/services/iam/audit/0")
        assert (absent.status_code, problem(absent)["reason"]) == (503, "SERVICE_ABSENT")

    play(tmp_path, scenario)


def test_grpc_is_passed_on_over_the_same_port(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        made = await front.make()
        channel = connect(front.gateway.address)
        speaking = channel.with_token(bearer()["authorization"].removeprefix("Bearer "))
        vpcs = VpcsClient(speaking)
        read = await vpcs.get(GetRequest(project="blue", ref="web"))
        assert read.metadata.id == made["metadata"]["id"]
        first = await anext(vpcs.watch(WatchRequest(project="blue")))
        assert first.object == read
        with pytest.raises(UnauthenticatedError):
            await VpcsClient(channel).create(net.CreateVpcRequest(project="blue", name="x"))
        with pytest.raises(InvalidArgumentError, match="ultracloud-service"):
            await QuotasClient(speaking).usage(quota.UsageRequest(project="blue"))
        await channel.close()

    play(tmp_path, scenario)


def test_the_documentation_is_served_and_cached(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        found = await front.client.get("/openapi.json", headers={"authorization": ""})
        assert found.json()["openapi"] == "3.1.0"
        again = await front.client.get("/openapi.json", headers={"if-none-match": found.headers["etag"]})
        assert again.status_code == 304
        assert (await front.client.get("/healthz")).text == "ok\n"
        assert problem(await front.client.get("/nothing"))["code"] == "NOT_FOUND"

    play(tmp_path, scenario)


def test_measures_are_told_on_this_machine_and_to_nobody_behind_a_proxy_on_it(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        assert b"ultracloud_gateway_streams" in (await front.client.get("/metrics")).content
        for name in ("x-forwarded-for", "forwarded"):
            assert (await front.client.get("/metrics", headers={name: "for=192.0.2.1"})).status_code == 404

    play(tmp_path, scenario)


def test_pages_of_named_origins_may_call_and_others_may_not(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        ours, other = {"origin": "https://console.example.org"}, {"origin": "https://evil.example"}
        asked = {**ours, "access-control-request-method": "POST", "authorization": ""}
        preflight = await front.client.options(VPCS_PATH, headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-methods"] == "GET, POST"
        allowed = await front.client.get(VPCS_PATH, headers=ours)
        assert allowed.headers["access-control-allow-origin"] == ours["origin"]
        refused = await front.client.get(VPCS_PATH, headers=other)
        assert "access-control-allow-origin" not in refused.headers
        assert refused.headers["vary"] == "Origin"

    play(tmp_path, scenario, '[cors]\norigins = ["https://console.example.org"]\n')


def test_what_is_watched_and_is_no_resource_is_told_without_a_mark() -> None:
    watch = next(route.rpc for route in all_routes() if route.operation == "ca.watch_trust")
    assert Marks(watch, goes_on=False).of(Trust(roots="PEM", version=7)) == Mark()
