"""The store's conversations, held over the wire with chainfire and with etcd: the goldens are true of both."""

from pathlib import Path

import pytest
from conversation import check_conversation
from shell.clients import client
from shell.servers import SERVERS, both
from shell.wire_speaker import WireSpeaker


@both
@pytest.mark.parametrize("name", ["store", "txn", "leases", "alarms"])
def test_a_server_answers_as_the_golden_conversation_says(kind: str, name: str, tmp_path: Path) -> None:
    with SERVERS[kind](tmp_path) as server, client(server.addresses[0]) as caller:
        check_conversation(name, WireSpeaker(caller).say)
