import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quickstart.shell import http
from quickstart.shell.http import OutsideServer, Page, Poller
from quickstart.shell.netns import Namespace
from ultracloud.testkit.namespaces import Host, cable, host


@pytest.fixture
def hosts(is_root: None) -> Iterator[tuple[Host, Host]]:
    """Two hosts that reach each other: 10.9.0.1 and 10.9.0.2."""
    with host() as left, host() as right:
        cable(left, right, "10.9.0.1/24", "10.9.0.2/24")
        yield left, right


def namespace(of: Host) -> Namespace:
    return Namespace(Path(of.path))


def own_namespace() -> Path:
    return Path("/proc/self/ns/net").readlink()


async def test_a_page_is_fetched_from_inside_a_namespace_without_leaving_ours(hosts: tuple[Host, Host]):
    before = own_namespace()
    server = OutsideServer()
    await server.start(namespace(hosts[1]), "10.9.0.2")
    page = await http.get(namespace(hosts[0]), "10.9.0.2")
    assert page is not None
    assert page.text == "you are 10.9.0.1\n"
    assert await server.wait_called(1) == "10.9.0.1"
    assert own_namespace() == before
    await server.close()


async def test_waiting_ends_as_soon_as_the_server_is_there(hosts: tuple[Host, Host]):
    waiting = asyncio.create_task(http.wait_answered(namespace(hosts[0]), "10.9.0.2", "/", 10))
    await asyncio.sleep(0.3)
    server = OutsideServer()
    await server.start(namespace(hosts[1]), "10.9.0.2")
    begun = time.monotonic()
    await waiting
    assert time.monotonic() - begun < 0.5
    await server.close()


async def test_waiting_in_vain_says_for_what(hosts: tuple[Host, Host]):
    with pytest.raises(TimeoutError, match=r"http://10\.9\.0\.2/x did not answer within 0\.2 s"):
        await http.wait_answered(namespace(hosts[0]), "10.9.0.2", "/x", 0.2)


async def test_refused_means_silent_twice(hosts: tuple[Host, Host]):
    await http.wait_refused(namespace(hosts[0]), "10.9.0.2", 5, attempt_s=0.1)
    server = OutsideServer()
    await server.start(namespace(hosts[1]), "10.9.0.2")
    with pytest.raises(TimeoutError, match="still answered"):
        await http.wait_refused(namespace(hosts[0]), "10.9.0.2", 0.5)
    await server.close()


async def test_a_poller_counts_answers_and_losses(hosts: tuple[Host, Host]):
    server = OutsideServer()
    await server.start(namespace(hosts[1]), "10.9.0.2")
    poller = Poller(namespace(hosts[0]), "10.9.0.2")
    poller.start()
    await asyncio.sleep(0.3)
    await server.close()
    await asyncio.sleep(0.3)
    await poller.stop()
    assert poller.answered > 0
    assert poller.lost > 0


def test_a_namespace_that_is_gone_is_an_error_and_not_ours():
    with pytest.raises(FileNotFoundError):
        Namespace(Path("/run/netns/never")).tcp_socket()


def test_a_namespace_that_is_being_made_is_not_there_yet(hosts: tuple[Host, Host], tmp_path: Path):
    begun = tmp_path / "begun"
    assert not Namespace(begun).is_there
    begun.touch()
    assert not Namespace(begun).is_there
    assert namespace(hosts[0]).is_there


def test_a_listener_needs_its_address(hosts: tuple[Host, Host]):
    with pytest.raises(OSError, match="assign"):
        namespace(hosts[0]).listener("192.0.2.77", 80)


def test_facts_are_read_from_a_page():
    page = Page("title\nhostname: web\nssh-key: none\n", 0)
    assert page.field("hostname") == "web"
    assert not page.has("ssh-key")
    assert not page.has("uptime")


async def test_what_is_no_success_counts_as_no_answer(hosts: tuple[Host, Host]):
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 404 Not Found\r\n\r\nno")
        writer.close()

    listening: socket.socket = namespace(hosts[1]).listener("10.9.0.2", 80)
    async with await asyncio.start_server(refuse, sock=listening):
        assert await http.get(namespace(hosts[0]), "10.9.0.2") is None
