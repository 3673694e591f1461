"""Through a real proxy that only knows CONNECT."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clouds import Person
from rehearsed import Reply, stage

from ultracloud.cli.shell import client
from ultracloud.testkit.pki import TlsMaterial

NAME = "cloud.invalid"
"""Nobody but the proxy knows this name (RFC 6761, 6.4)."""


@dataclass
class Tunnels:
    """A proxy, and the heads of what it was asked."""

    port: int
    heads: list[str] = field(default_factory=list)
    refusal: bytes = b""


@contextmanager
def proxying(to_port: int) -> Iterator[Tunnels]:
    """A proxy that leads everybody to one port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Tunnels(listening.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    caller, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=lead, args=(caller,), daemon=True).start()

        def lead(caller: socket.socket) -> None:
            made.heads.append(caller.recv(4096).decode())
            if made.refusal:
                caller.sendall(made.refusal)
                caller.close()
                return
            there = socket.create_connection(("127.0.0.1", to_port))
            caller.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=copy, args=(there, caller), daemon=True).start()
            copy(caller, there)

        threading.Thread(target=serve, daemon=True).start()
        yield made
        listening.shutdown(socket.SHUT_RDWR)


def copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def test_https_goes_through_the_proxy_and_stays_end_to_end(
    uc: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ULTRACLOUD_TOKEN", "secret-token")
    monkeypatch.setattr(client, "_jitter", lambda: -0.99)
    with stage(TlsMaterial(tmp_path / "ca")) as cloud:
        port = int(cloud.url.rpartition(":")[2])
        cloud.follows(Reply({"items": []}))
        uc.ok("context", "add", "far", "--server", f"https://localhost:{port}", "--ca", cloud.ca, "-p", "blue")
        with proxying(port) as proxy:
            # The certificate names `localhost` alone, and it is what counts, proxy or not.
            uc.ok("context", "set", "far", "--server", f"https://{NAME}:{port}")
            monkeypatch.setenv("HTTPS_PROXY", f"http://ada:pw@127.0.0.1:{proxy.port}")
            assert "certificate" in uc.fails(1, "vpc", "list")
            uc.ok("context", "set", "far", "--insecure")
            uc.ok("vpc", "list")
            assert proxy.heads[-1].startswith(f"CONNECT {NAME}:{port} HTTP/1.")
            assert "Proxy-Authorization: Basic YWRhOnB3" in proxy.heads[-1]
            assert "secret-token" not in "".join(proxy.heads)
            proxy.refusal = b"HTTP/1.1 403 Forbidden\r\n\r\n"
            said = uc.fails(1, "vpc", "list")
            assert f"the proxy 127.0.0.1:{proxy.port} does not lead to" in said
            assert "403" in said
            monkeypatch.setenv("NO_PROXY", ".invalid")
            asked = len(proxy.heads)
            assert f"the name in https://{NAME}:{port} is not known" in uc.fails(1, "vpc", "list")
            assert len(proxy.heads) == asked
