"""Locks, health and metrics where there are three members."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from shell.clients import client
from shell.http_speaker import HttpSpeaker
from shell.queue_speaker import QueueSpeaker
from shell.servers import free_port, wait_until, write_config
from shell.test_http import families

from ultracloud.testkit.processes import Process, started

NAMES = ("n1", "n2", "n3")


@contextmanager
def cluster(folder: Path) -> Iterator[list[Process]]:
    """Three members that have elected a leader."""
    urls = {name: f"http://127.0.0.1:{free_port()}" for name in NAMES}
    members = ", ".join(f'"{name}={url}"' for name, url in urls.items())
    with ExitStack() as stack:
        processes: list[Process] = []
        for name in NAMES:
            config = write_config(folder / name, f'name = "{name}"\n[cluster]\nmembers = [{members}]\n')
            command = [sys.executable, "-m", "chainfire", "serve", "--config", str(config)]
            processes.append(stack.enter_context(started(command, config.with_suffix(".log"))))
        for process in processes:
            process.wait_ready()
        yield processes


def test_a_lock_is_waited_for_at_one_member_and_given_up_at_another(tmp_path: Path) -> None:
    with cluster(tmp_path) as members, ExitStack() as stack:
        one, two, three = (QueueSpeaker(stack.enter_context(client(member.addresses[0]))) for member in members)
        for lease in ("1", "2", "3"):
            one.say(["grant", lease])
        assert one.say(["lock", "l", "1"]).startswith("l/1 ")
        two.say(["begin", "b", "lock", "l", "2"])
        assert two.say(["wait", "b"]) == "waits"
        three.say(["begin", "c", "lock", "l", "3"])
        assert three.say(["wait", "c"]) == "waits"
        three.say(["unlock", "l/1"])
        assert two.say(["end", "b"]).startswith("l/2 ")
        assert three.say(["wait", "c"]) == "waits"
        one.say(["unlock", "l/2"])
        assert three.say(["end", "c"]).startswith("l/3 ")


def test_a_member_without_a_quorum_is_alive_and_not_healthy(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        speakers = [HttpSpeaker(member.addresses[0]) for member in members]
        metrics = [families(speaker) for speaker in speakers]
        assert sum(found["etcd_server_is_leader"][()] for found in metrics) == 1
        assert all(sum(found["etcd_network_peer_sent_bytes_total"].values()) > 0 for found in metrics)
        assert all(speaker.ask("GET", "/readyz").read() == b"ok\n" for speaker in speakers)
        for member in members[1:]:
            member.kill()
        left = speakers[0]
        wait_until(lambda: families(left)["etcd_server_has_leader"][()] == 0)
        assert left.ask("GET", "/health").read() == b'{"health":"false","reason":"RAFT NO LEADER"}\n'
        assert left.ask("GET", "/health?serializable=true").read() == b'{"health":"true","reason":""}'
        assert left.ask("GET", "/livez").read() == b"ok\n"
        assert left.ask("GET", "/readyz?exclude=linearizable_read").read() == b"ok\n"
