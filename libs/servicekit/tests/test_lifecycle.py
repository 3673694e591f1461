"""The life of a service, in real processes."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ultracloud.api.wire.v1.echo_pb2 import EchoRequest
from ultracloud.api.wire.v1.echo_rpc import EchoClient
from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit import channels, pki
from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process, started

DEMO = [sys.executable, str(Path(__file__).parent / "demo_service.py")]


def configured(tmp_path: Path, text: str = "", drain_s: float = 1.0) -> list[str]:
    path = tmp_path / "demo.toml"
    path.write_text(f'state_dir = "{tmp_path}/state"\ndrain_s = {drain_s}\n{text}')
    return [*DEMO, "serve", "--config", str(path)]


@contextmanager
def demo(tmp_path: Path, text: str = "", env: dict[str, str] | None = None, drain_s: float = 1.0) -> Iterator[Process]:
    with started(configured(tmp_path, text, drain_s), tmp_path / "log", env=env) as process:
        yield process


def refused(command: list[str]) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.returncode, done.stderr.splitlines()[-1]


def page(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_says_ready_serves_pages_and_ends_with_zero(tmp_path: Path) -> None:
    with demo(tmp_path, f'stopped = "stopped"\n[listen]\nunix = "{tmp_path}/demo.sock"') as process:
        tcp, unix = process.wait_ready()
        assert unix == f"unix:{tmp_path}/demo.sock"
        assert page(tcp, "/healthz") == (200, "ok\n")
        assert page(tcp, "/readyz") == (200, "ready\n")
        assert 'ultracloud_service{name="demo"} 1.0' in page(tcp, "/metrics")[1]
        assert process.terminate() == 0
    assert (tmp_path / "stopped").exists()
    assert not (tmp_path / "demo.sock").exists()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["message"] for line in lines if line["level"] == "info"] == ["ready", "stopping"]


def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, said = refused(configured(tmp_path, f'[listen]\naddress = "{address}"'))
    assert code == 1
    assert said == (
        f"demo: cannot listen on {address}: in use by another process; choose another listen.address or stop it "
        "(ss -ltnp names it)"
    )


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ('[listen]\naddress = "0.0.0.0:0"', 2, "is not loopback, and there is no [tls]; set tls first"),
        ('[listen]\naddress = "nowhere"', 2, "listen.address 'nowhere' is no address; accepted: host:port"),
        ('[listen]\naddress = "127.0.0.1:99999"', 2, "accepted: host:port, port 0 takes a free one"),
        ('[tls]\ncertificate="a"\nkey="b"\nca="c"', 2, "is missing or unreadable"),
        (f'[listen]\nunix = "/{"x" * 120}"', 2, "is over 107 bytes; choose a shorter path"),
        ('[listen]\nunix = "/dev/null/demo.sock"', 1, "/dev/null is no folder; choose another listen.unix"),
        ('behave = "needs-store"', 2, "peers.flaredb is empty; set it to where flaredb listens"),
        ('behave = "needs-store"\n[peers]\nflaredb = "nonsense"', 2, "'nonsense' is no address"),
        ("bheave = 1", 2, "unknown key 'bheave'; did you mean 'behave'?"),
        ('behave = "fail"', 1, "demo: ended by RuntimeError: boom; the log has the details"),
    ],
)
def test_what_cannot_start_says_why(tmp_path: Path, text: str, code: int, said: str) -> None:
    exit_code, sentence = refused(configured(tmp_path, text))
    assert (exit_code, said in sentence) == (code, True), sentence
    assert sentence.startswith("demo: ")


def test_a_wrong_address_is_told_before_anything_is_made(tmp_path: Path) -> None:
    code, said = refused(configured(tmp_path, '[listen]\naddress = "nowhere"'))
    assert (code, "is no address" in said) == (2, True)
    assert not (tmp_path / "state").exists()


def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo.sock").write_text("precious")
    code, said = refused(configured(tmp_path, f'[listen]\nunix = "{tmp_path}/demo.sock"'))
    assert code == 1
    assert "a file of another kind is there" in said
    assert (tmp_path / "demo.sock").read_text() == "precious"


def test_what_a_killed_run_left_does_not_stop_the_next(tmp_path: Path) -> None:
    listen = f'[listen]\nunix = "{tmp_path}/demo.sock"'
    with demo(tmp_path, listen) as process:
        process.wait_ready()
        process.kill()
    assert (tmp_path / "demo.sock").exists()
    with demo(tmp_path, listen) as process:
        process.wait_ready()
        assert process.terminate() == 0


def test_a_second_instance_is_refused(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        process.wait_ready()
        code, said = refused(configured(tmp_path))
    assert code == 1
    assert f"is in use by another demo (process {process.pid})" in said


@pytest.mark.parametrize(("behave", "peer"), [("needs-store", "flaredb"), ("needs-policy", "iam")])
def test_it_lives_while_its_peers_are_down_and_says_what_it_waits_for(tmp_path: Path, behave: str, peer: str) -> None:
    text = f'behave = "{behave}"\n[listen]\naddress = "127.0.0.1:{free_port()}"\n[peers]\n{peer} = "127.0.0.1:1"'
    address = text.split('"')[3]
    with demo(tmp_path, text) as process:
        wait_page(address, "/healthz")
        code, said = page(address, "/readyz")
        assert (code, peer in said) == (503, True)
        assert said.startswith("waiting for ")
        assert process.terminate() == 0


def test_running_calls_finish_before_it_ends(tmp_path: Path) -> None:
    async def scenario(address: str, process: Process) -> None:
        channel = channels.connect(address)
        say = asyncio.create_task(EchoClient(channel).say(EchoRequest(payload=b"late", delay_s=0.6)))
        await asyncio.sleep(0.2)
        process.signal(signal.SIGTERM)
        assert (await say).payload == b"late"
        await channel.close()

    with demo(tmp_path) as process:
        asyncio.run(scenario(process.wait_ready()[0], process))
        assert process.wait() == 0


def test_streams_end_at_once_because_they_would_last_for_ever(tmp_path: Path) -> None:
    async def scenario(address: str, process: Process) -> None:
        channel = channels.connect(address)
        stream = EchoClient(channel).repeat(EchoRequest(payload=b"x", delay_s=0.01))
        await anext(stream)
        process.signal(signal.SIGTERM)
        with pytest.raises(UnavailableError):
            async for _ in stream:
                pass
        await channel.close()

    with demo(tmp_path, drain_s=60) as process:
        asyncio.run(scenario(process.wait_ready()[0], process))
        assert process.wait() == 0


async def hold_open(address: str, process: Process, signals: int) -> None:
    """Leave a call open, send signals, and see it end without its answer."""
    channel = channels.connect(address, deadline_s=60)
    say = asyncio.create_task(EchoClient(channel).say(EchoRequest(delay_s=50)))
    await asyncio.sleep(0.2)
    for _ in range(signals):
        process.signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
    with pytest.raises(UnavailableError):
        await say
    await channel.close()


def test_a_call_that_does_not_end_is_cut_off_after_the_drain(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        asyncio.run(hold_open(process.wait_ready()[0], process, 1))
        assert process.wait() == 0


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with demo(tmp_path, drain_s=60) as process:
        asyncio.run(hold_open(process.wait_ready()[0], process, 2))
        assert process.wait() == 1


def test_a_signal_ends_a_start_that_takes_long(tmp_path: Path) -> None:
    with demo(tmp_path, 'behave = "slow-build"') as process:
        wait_for(lambda: caught(process))
        assert process.terminate() == 0


def caught(process: Process) -> bool:
    """Whether the process has taken over SIGTERM."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    mask = int(next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1], 16)
    return bool(mask & 1 << (signal.SIGTERM - 1))


def test_systemd_hears_ready_the_watchdog_and_stopping(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        with demo(tmp_path, env=env) as process:
            process.wait_ready()
            heard = {listener.recv(100) for _ in range(4)}
            assert heard >= {b"READY=1", b"STATUS=ready", b"WATCHDOG=1"}
            process.signal(signal.SIGTERM)
            while listener.recv(100) != b"STOPPING=1":
                pass
            assert process.wait() == 0


def test_check_config_can_do_without_the_files_that_are_named(tmp_path: Path) -> None:
    configured(tmp_path, '[tls]\ncertificate = "demo.crt"\nkey = "demo.key"\nca = "ca.crt"')
    command = [*DEMO, "check-config", "--config", str(tmp_path / "demo.toml")]
    code, said = refused(command)
    assert code == 2
    assert "demo.crt is missing" in said
    assert subprocess.run([*command, "--no-files"], capture_output=True, check=False, timeout=20).returncode == 0


def test_check_config_and_version_serve_nothing(tmp_path: Path) -> None:
    configured(tmp_path)
    done = subprocess.run(
        [*DEMO, "check-config", "--config", str(tmp_path / "demo.toml")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/demo.toml: ok\n")
    assert not (tmp_path / "state").exists()
    version = subprocess.run([*DEMO, "--version"], capture_output=True, text=True, check=False)
    assert (version.returncode, version.stdout.split()[0]) == (0, "demo")
    assert subprocess.run(DEMO, capture_output=True, check=False).returncode == 2


def test_over_tls_it_answers_who_it_should(tmp_path: Path) -> None:
    material = TlsMaterial(tmp_path)
    text = material.toml(material.service("demo")) + f'[listen]\nunix = "{tmp_path}/demo.sock"'

    async def scenario(addresses: tuple[str, ...]) -> None:
        for address in addresses:
            channel = channels.connect(address, material.operator(), pki.service_identity("demo"))
            assert (await EchoClient(channel).say(EchoRequest(payload=b"tls"))).payload == b"tls"
            await channel.close()

    with demo(tmp_path, text) as process:
        asyncio.run(scenario(process.wait_ready()))
        assert process.terminate() == 0


def test_a_minimal_service_is_small_and_quick(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        process.wait_ready(10)
        assert process.rss_bytes() < 60_000_000


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_page(address: str, path: str) -> None:
    def answers() -> bool:
        try:
            return page(address, path)[0] == 200
        except OSError:
            return False

    wait_for(answers)


def wait_for(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    ends_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_at, "waited in vain"
        time.sleep(0.02)
