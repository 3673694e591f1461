"""Answers that wait for something without a task, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import pytest
from serving import PATIENCE_S, serving, until

from ultracloud.wire import HttpAnswer, HttpEndpoint, HttpLater, HttpReply, HttpRequest, InnerCalls, Server

VERSIONS = pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
GET = b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n"


@dataclass
class Site:
    """What is waited for, by path."""

    waited: dict[str, asyncio.Future[bytes]] = field(default_factory=dict)

    def endpoints(self, _calls: InnerCalls) -> dict[str, HttpEndpoint]:
        return {"/later/": self.later, "/empty": lambda _request: HttpReply(204), "/same": self.same}

    def later(self, request: HttpRequest) -> HttpLater:
        waited = self.waited[request.path] = asyncio.get_running_loop().create_future()

        def finish(done: asyncio.Future[bytes]) -> HttpReply | Awaitable[HttpAnswer]:
            return self.twice(done.result()) if request.path.endswith("/task") else HttpReply(200, done.result())

        return HttpLater(waited, finish)

    def same(self, _request: HttpRequest) -> HttpReply:
        return HttpReply(304, fields={"etag": '"1"'})

    async def twice(self, said: bytes) -> HttpReply:
        await asyncio.sleep(0)
        return HttpReply(200, said * 2)

    async def tell(self, path: str, said: bytes | Exception) -> None:
        await until(lambda: path in self.waited)
        if isinstance(said, bytes):
            self.waited[path].set_result(said)
        else:
            self.waited[path].set_exception(said)


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Site, Server, str]]:
    site = Site()
    async with serving(endpoints=site.endpoints) as (server, target), asyncio.timeout(PATIENCE_S):
        yield site, server, target


async def curl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec("curl", "-si", *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode()


@asynccontextmanager
async def connected(target: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = target.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield reader, writer
    writer.close()


@VERSIONS
@pytest.mark.parametrize(("path", "body"), [("/later/one", "said"), ("/later/task", "saidsaid")])
async def test_an_answer_is_sent_when_what_it_waits_for_is_done(option: str, path: str, body: str) -> None:
    async with served() as (site, _server, target):
        asking = asyncio.create_task(curl(option, f"http://{target}{path}"))
        await site.tell(path, b"said")
        head, _, found = (await asking).partition("\r\n\r\n")
    assert found == body
    assert " 200" in head.splitlines()[0]


@VERSIONS
async def test_what_fails_while_it_is_waited_for_shows_an_id_and_no_more(option: str) -> None:
    async with served() as (site, _server, target):
        asking = asyncio.create_task(curl(option, f"http://{target}/later/one"))
        await site.tell("/later/one", RuntimeError("secret"))
        found = await asking
    assert " 500" in found.splitlines()[0]
    assert "internal error " in found
    assert "secret" not in found


async def test_answers_that_wait_go_out_in_the_order_of_their_requests() -> None:
    async with served() as (site, _server, target), connected(target) as (reader, writer):
        writer.write(GET % b"/later/one" + GET % b"/healthz" + GET % b"/later/two")
        await site.tell("/later/one", b"first")
        await site.tell("/later/two", b"last")
        answers = await reader.readuntil(b"last")
    assert answers.index(b"first") < answers.index(b"ok\n") < answers.index(b"last")


@VERSIONS
async def test_a_client_that_leaves_cancels_what_its_answer_waits_for(option: str) -> None:
    async with served() as (site, _server, target):
        asking = await asyncio.create_subprocess_exec(
            "curl", "-s", option, f"http://{target}/later/one", stdout=asyncio.subprocess.DEVNULL
        )
        await until(lambda: "/later/one" in site.waited)
        asking.kill()
        await asking.wait()
        await until(site.waited["/later/one"].cancelled)


@VERSIONS
async def test_what_is_given_up_elsewhere_or_by_a_drain_is_answered_with_503(option: str) -> None:
    async with served() as (site, server, target):
        asking = [asyncio.create_task(curl(option, f"http://{target}/later/{each}")) for each in ("one", "two")]
        await until(lambda: len(site.waited) == 2)
        site.waited["/later/one"].cancel()
        first = await asking[0]
        await server.drain(0.0)
        assert site.waited["/later/two"].cancelled()
        assert all(" 503" in each.splitlines()[0] for each in (first, await asking[1]))


@VERSIONS
async def test_every_answer_has_a_date_and_one_without_a_body_has_no_length(option: str) -> None:
    async with served() as (_site, _server, target):
        found = {
            path: await curl(option, f"http://{target}{path}") for path in ("/healthz", "/none", "/empty", "/same")
        }
    for path, answer in found.items():
        date = re.search(r"^date: (.*)\r$", answer, re.MULTILINE)
        assert date is not None, answer
        assert parsedate_to_datetime(date[1]).tzinfo is not None
        assert ("content-length" in answer) is (path in ("/healthz", "/none"))
