"""Users of a cluster: what one member was told all of them ask for, and a token of one is known to the others."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
from shell.auth_speaker import AuthSpeaker, TokenClient
from shell.servers import free_port, wait_until, write_config
from shell.test_auth import DENIED, FAST, INVALID, USERS, say

from ultracloud.testkit.processes import Process, started

NAMES = ("n1", "n2", "n3")


@contextmanager
def cluster(folder: Path) -> Iterator[list[AuthSpeaker]]:
    """Three members that have elected a leader, each as a partner in conversations."""
    urls = {name: f"http://127.0.0.1:{free_port()}" for name in NAMES}
    members = ", ".join(f'"{name}={url}"' for name, url in urls.items())
    with ExitStack() as stack:
        processes: list[Process] = []
        for name in NAMES:
            settings = f'name = "{name}"\n[cluster]\nmembers = [{members}]\n[auth]\n{FAST}'
            config = write_config(folder / name, settings)
            command = [sys.executable, "-m", "chainfire", "serve", "--config", str(config)]
            processes.append(stack.enter_context(started(command, config.with_suffix(".log"))))
        for process in processes:
            process.wait_ready()
        channels = [stack.enter_context(grpc.insecure_channel(each.addresses[0])) for each in processes]
        yield [AuthSpeaker(TokenClient(channel)) for channel in channels]


def test_a_token_of_one_member_is_known_to_all(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        first, *others = members
        assert say(first, *USERS, "auth enable")[-1] == "done"
        for round_number in range(8):
            assert say(first, "login alice secret") == ["has a token"]
            for other in others:
                other.tokens["alice"] = first.tokens["alice"]
                # At once, also where the entry that gave it has not arrived yet; a serializable read asks nobody else.
                assert say(other, f"as alice put a {round_number}", "as alice get a")[1].endswith("1 keys")


def test_users_change_on_all_members_at_once(tmp_path: Path) -> None:
    with cluster(tmp_path) as members:
        say(members[0], *USERS, "auth enable", "login root secret", "login alice secret")
        for member in members[1:]:
            member.tokens.update(members[0].tokens)
            refused = say(member, "get a", "as alice get b", "as alice user list", "as root user delete root")
            assert refused == [
                "INVALID_ARGUMENT: etcdserver: user name is empty",
                DENIED,
                DENIED,
                "INVALID_ARGUMENT: etcdserver: invalid auth management",
            ]
        assert say(members[2], "as root role revoke r a --prefix") == ["done"]
        for member in members:
            assert say(member, "as alice get a", "as alice put a 1") == [DENIED, DENIED]
        assert say(members[1], "as root user passwd alice better") == ["done"]
        for member in members:
            wait_until(lambda member=member: say(member, "as alice user get alice") == [INVALID])
