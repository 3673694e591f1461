"""Becoming one of the members: where it does not work, the sentence says what to change."""

import socket
from typing import cast

import pytest
from shell.peer_members import scene

from chainfire.core.urls import url_of
from chainfire.shell import replication
from chainfire.shell.peers import LocalMember, PeerCallbacks, Peers
from ultracloud.raft.words import NodeId
from ultracloud.servicekit.errors import StartError


@scene
async def test_a_taken_address_for_members_is_told_with_what_to_change() -> None:
    peers = Peers(LocalMember(1, NodeId(1)), None, cast("PeerCallbacks", None))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartError) as refused:
            await replication.listen(peers, [url_of(url)])
    assert str(refused.value) == (
        f"chainfire: cannot listen for members on {url}: Address already in use; "
        "change cluster.listen or the peer URL, or end who has it (ss -ltnp names it)"
    )
    await peers.close()
