"""The store's conversations, held over the wire with chainfire and with etcd: the goldens are true of both."""

from pathlib import Path

import grpc
import pytest
from conversation import check_conversation
from shell.auth_speaker import AuthSpeaker, TokenClient
from shell.clients import client
from shell.servers import ETCD_35, SERVERS, both, chainfire, etcd, needs_etcd_35
from shell.wire_speaker import WireSpeaker


@both
@pytest.mark.parametrize("name", ["store", "txn", "leases", "alarms"])
def test_a_server_answers_as_the_golden_conversation_says(kind: str, name: str, tmp_path: Path) -> None:
    with SERVERS[kind](tmp_path) as server, client(server.addresses[0]) as caller:
        check_conversation(name, WireSpeaker(caller).say)


ASKING = {
    "chainfire": lambda folder: chainfire(folder, "[auth]\nbcrypt_cost = 4\n"),
    "etcd 3.5": lambda folder: etcd(folder, program=ETCD_35, flags=["--bcrypt-cost", "4"]),
}
"""Servers that hash passwords fast. etcd 3.4 says some things of users and roles in other words."""


@pytest.mark.parametrize("kind", ["chainfire", pytest.param("etcd 3.5", marks=needs_etcd_35)])
@pytest.mark.parametrize("name", ["auth_users", "auth_enable", "auth_keys", "auth_tokens", "auth_leases"])
def test_a_server_that_asks_who_calls_answers_as_the_golden_says(kind: str, name: str, tmp_path: Path) -> None:
    with ASKING[kind](tmp_path) as server, grpc.insecure_channel(server.addresses[0]) as channel:
        check_conversation(name, AuthSpeaker(TokenClient(channel)).say)


def test_what_etcd_3_5_lets_everybody_do_is_refused(tmp_path: Path) -> None:
    with ASKING["chainfire"](tmp_path) as server, grpc.insecure_channel(server.addresses[0]) as channel:
        check_conversation("auth_stricter", AuthSpeaker(TokenClient(channel)).say)
