"""Consoles, against a WebSocket server of others."""

import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest
from clouds import Person
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

UC = [sys.executable, "-m", "ultracloud.cli"]


@contextmanager
def guest(talk: Callable[[ServerConnection], None], **more: Any) -> Iterator[str]:
    """A gateway's address behind which `talk` is the machine."""

    def speak(connection: ServerConnection) -> None:
        try:
            talk(connection)
        except ConnectionClosed:
            return

    with serve(speak, "127.0.0.1", 0, subprotocols=["ultracloud.raw"], compression=None, **more) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def echo(connection: ServerConnection) -> None:
    """A machine that prints what is typed, in capitals, and a lot of it."""
    connection.send(b"login: ")
    connection.ping()
    for typed in connection:
        connection.send([typed.upper()[:2], typed.upper()[2:]])


def types(uc: Person, url: str, typed: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    """`uc console web` with what comes through a pipe."""
    uc.ok("context", "add", f"c{url.rpartition(':')[2]}", "--server", url, "-p", "blue")
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME")} | {"ULTRACLOUD_TOKEN": "t"}
    command = [*UC, "console", "web", *words]
    return subprocess.run(command, input=typed, env=variables, capture_output=True, check=False, timeout=30)


def test_what_a_pipe_brings_is_typed_and_its_echo_shown(uc: Person) -> None:
    with guest(echo) as url:
        done = types(uc, url, b"x" * 40_000 + b"uptime\n")
    assert (done.returncode, done.stdout) == (0, b"login: " + b"X" * 40_000 + b"UPTIME\n"), done.stderr


def test_the_gateway_is_told_who_where_and_how(uc: Person) -> None:
    asked: list[Request] = []

    def note(_connection: ServerConnection, request: Request) -> None:
        asked.append(request)

    with guest(echo, process_request=note) as url:
        types(uc, url, b"")
    assert asked[0].path == "/v1/projects/blue/vms/web:console?backlog_bytes=4096"
    assert asked[0].headers["Authorization"] == "Bearer t"
    assert asked[0].headers["Sec-WebSocket-Protocol"] == "ultracloud.raw"


@pytest.mark.parametrize(
    ("code", "reason", "exit_code", "said"),
    [
        (1000, "", 0, b""),
        (4404, "no vm 'web' in project 'blue'", 3, b"error: no vm 'web' in project 'blue'"),
        (4403, "you may not", 4, b"error: you may not"),
        (1001, "", 1, b"error: the gateway is stopping"),
        (1011, "oops", 1, b"code 1011: oops"),
    ],
)
def test_an_end_says_why(uc: Person, code: int, reason: str, exit_code: int, said: bytes) -> None:
    with guest(lambda connection: connection.close(code, reason)) as url:
        done = types(uc, url, b"")
    assert (done.returncode, said in done.stderr) == (exit_code, True), done.stderr


def test_a_refusal_before_the_handshake_is_told(uc: Person) -> None:
    def refuse(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(HTTPStatus.FORBIDDEN, '{"detail": "you have no right to it", "hint": "ask"}')

    with guest(echo, process_request=refuse) as url:
        done = types(uc, url, b"")
    assert (done.returncode, done.stderr) == (4, b"error: you have no right to it\nhint: ask\n")


def test_at_a_terminal_every_key_goes_there_and_one_leaves(uc: Person) -> None:
    typed: list[bytes] = []

    def note(connection: ServerConnection) -> None:
        connection.send(b"ready")
        typed.extend(bytes(one) for one in connection)

    with guest(note) as url:
        uc.ok("context", "add", "tty", "--server", url, "-p", "blue")
        variables = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME")} | {"ULTRACLOUD_TOKEN": "t"}
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [*UC, "console", "web"], env=variables, stdin=theirs, stdout=theirs, stderr=theirs
        ) as one:
            os.close(theirs)
            shown = read_until(ours, b"ready")
            os.write(ours, b"a\x03b\x1d")
            assert one.wait(20) == 0
        os.close(ours)
    assert b"Ctrl-] leaves it" in shown
    assert b"".join(typed) == b"a\x03b"


def read_until(terminal: int, wanted: bytes) -> bytes:
    shown, ends_at = b"", time.monotonic() + 20
    while wanted not in shown:
        assert time.monotonic() < ends_at, shown
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536)
    return shown
