"""What a configuration says of a member, beside what its state folder says: where they differ, the folder decides.

What would let one member act as another is refused; what merely has no effect any more is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chainfire.config import Config
from chainfire.core.membership import Member
from chainfire.shell.node import Node
from ultracloud.raft.messages import Heartbeat, Message
from ultracloud.servicekit.errors import StartError


def refuse_foreign(config: Config, node: Node) -> None:
    """Refuse the folder of another member of the same cluster: two would vote as one.

    Raises:
        StartError: The folder's member is known by one name, and the one that is configured here is another member.
    """
    me = node.machine.members.find(node.member_id)
    if me is None or me.name in ("", config.name):
        return
    for other in node.machine.members.all():
        if other.name == config.name and other.member_id != me.member_id:
            raise StartError(
                f"chainfire: {config.state_dir} is the folder of member '{me.name}' ({me.member_id:x}), but name is "
                f"'{config.name}', which is member {other.member_id:x}; give this member its own folder, or run "
                f"'chainfire member replace {config.name}' if that is lost"
            )


def refuse_old(node: Node, messages: Iterable[Message]) -> None:
    """Refuse to go on with a log that lacks what this member once said it had: its folder is an old copy.

    Raises:
        StartError: A leader says that more is committed here than the log holds.
    """
    if node.is_leader:
        return
    last = node.replica.raft.last_index
    for message in messages:
        # A leader tells each member no more than that one has acknowledged.
        if isinstance(message, Heartbeat) and message.commit > last and message.term >= node.term:
            name = (node.machine.members.find(node.member_id) or Member(node.member_id)).name
            raise StartError(
                f"chainfire: the state folder is an old copy, or its log was cut: this member has acknowledged entry "
                f"{message.commit} of the log, which ends at {last}. It may not vote like that; run 'chainfire member "
                f"replace {name}' against another member, empty the folder, and start it with the configuration that "
                "this prints"
            )


def contradictions(config: Config, node: Node) -> Iterator[str]:
    """What of the configuration has no effect, or is unwise: a sentence each."""
    begun, members = config.cluster.urls_by_name(), node.machine.members.all()
    if not begun:
        return
    if not node.has_past:
        if len(begun) % 2 == 0:
            yield (
                f"cluster.members are {len(begun)}: an even number survives the loss of no more members than "
                f"{len(begun) - 1} would; have an odd number"
            )
        return
    if {frozenset(urls) for urls in begun.values()} != {frozenset(each.peer_urls) for each in members}:
        yield (
            "cluster.members of the configuration are not the members now, who are "
            f"{_shown(members)}; the state folder decides, and the configuration counted only at the first start; "
            "to change members, use 'chainfire member'"
        )


def _shown(members: Iterable[Member]) -> str:
    return ", ".join(f"{each.name or 'not started'}={' '.join(each.peer_urls)}" for each in members)
