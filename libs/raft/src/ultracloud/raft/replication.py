"""What a leader sends its peers, and what their answers tell.

Source: the Raft paper, sections 5.3 and 7; the dissertation, 10.2.1.
"""

from __future__ import annotations

from ultracloud.raft import membership
from ultracloud.raft.events import SnapshotSent
from ultracloud.raft.messages import Append, Appended, Heartbeat, HeartbeatReply, Install
from ultracloud.raft.progress import Peer, PeerState, Progress
from ultracloud.raft.state import State
from ultracloud.raft.words import Entry, NodeId


class Replication:
    """A leader's peers."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._peers: dict[NodeId, Peer] = {}
        self.round = 0
        """Of the last heartbeat."""
        for node in self._others():
            self._peers[node] = Peer(state.log.last_index + 1, state.tick, is_active=False)

    def _others(self) -> list[NodeId]:
        """All that are sent the log but this node, in an order that does not depend on hashing."""
        return sorted(membership.members(self._state.config) - {self._state.node})

    def reconfigure(self) -> None:
        """Another configuration holds. A node that comes counts as heard: it must not depose the leader yet."""
        state, before = self._state, self._peers
        fresh = state.log.last_index + 1
        self._peers = {node: before.get(node) or Peer(fresh, state.tick, is_active=True) for node in self._others()}

    def progress(self) -> dict[NodeId, Progress]:
        """What is known of each peer."""
        return {node: peer.shown(self._state.tick) for node, peer in self._peers.items()}

    def stored(self, node: NodeId) -> int:
        """What `node` has on its disk."""
        if node == self._state.node:
            return self._state.log.durable
        return self._peers[node].match

    def answered(self, node: NodeId) -> int:
        """The last heartbeat round that `node` answered."""
        return self.round if node == self._state.node else self._peers[node].round

    def best_voter(self) -> NodeId | None:
        """The voter that has all of the log, if there is one."""
        last = self._state.log.last_index
        complete = [node for node in self._state.config.voters if node in self._peers and self.stored(node) == last]
        return min(complete, default=None)

    def take_active(self) -> list[NodeId]:
        """Who was heard of since this was asked last."""
        active = [node for node, peer in self._peers.items() if peer.is_active]
        for peer in self._peers.values():
            peer.is_active = False
        return [*active, self._state.node]

    def appended(self, message: Appended) -> bool:
        """A peer says what it has. Returns whether it is more than was known."""
        peer = self._peers.get(message.sender)
        if peer is None:
            return False
        state, log = self._state, self._state.log
        peer.heard(state.tick)
        if message.rejected:
            peer.rejected(message.index, log.meeting_point(message.hint_index, message.hint_term))
            return False
        assert message.index <= log.last_index, f"{message.sender} has entries of term {state.term} that nobody sent"
        return peer.acked(message.index, log.base_index)

    def beaten(self, message: HeartbeatReply) -> bool:
        """A peer answers a heartbeat: nothing that was sent before it is still to be waited for.

        Returns whether it confirms a later round than before.
        """
        peer = self._peers.get(message.sender)
        if peer is None:
            return False
        peer.heard(self._state.tick)
        peer.is_paused = False
        if peer.state is PeerState.REPLICATE and peer.match < peer.next - 1:
            self._ask_what_arrived(message.sender, peer)
        is_news = message.round > peer.round
        peer.round = max(peer.round, message.round)
        return is_news

    def _ask_what_arrived(self, node: NodeId, peer: Peer) -> None:
        """Answers may be lost, or what they answer: the next answer frees the window or tells where to go on."""
        if peer.next > self._state.log.base_index:
            self._append(node, peer, (), 0)
        else:
            peer.probe()

    def unreachable(self, node: NodeId) -> None:
        """What is on its way to a peer may be lost."""
        peer = self._peers.get(node)
        if peer is not None and peer.state is PeerState.REPLICATE:
            peer.probe()

    def snapshot_sent(self, event: SnapshotSent) -> None:
        """A stream has ended."""
        peer = self._peers.get(event.peer)
        if peer is not None and peer.state is PeerState.SNAPSHOT:
            peer.snapshot_sent(event.mark.index, ok=event.ok)

    def heartbeat(self) -> None:
        """Tell everybody that the leader is there. No commit index beyond what the receiver is known to have."""
        state = self._state
        self.round += 1
        for node, peer in self._peers.items():
            peer.commit_told = min(peer.match, state.log.commit)
            state.messages.append(Heartbeat(node, state.node, state.term, peer.commit_told, self.round))

    def flush(self) -> None:
        """Send what each peer may be sent now."""
        for node, peer in self._peers.items():
            match peer.state:
                case PeerState.REPLICATE:
                    self._replicate(node, peer)
                case PeerState.PROBE if not peer.is_paused:
                    self._send(node, peer)
                case _:
                    pass

    def _replicate(self, node: NodeId, peer: Peer) -> None:
        """Send all that the window has room for, and what is committed of what has arrived."""
        state, options = self._state, self._state.options
        last, commit = state.log.last_index, state.log.commit
        while peer.next <= last and not peer.is_full(options.inflight_max, options.inflight_bytes_max):
            self._send(node, peer)
            if peer.state is not PeerState.REPLICATE:
                return
        known = min(peer.match, commit)
        if known > peer.commit_told:
            peer.commit_told = known
            state.messages.append(Heartbeat(node, state.node, state.term, known))

    def _send(self, node: NodeId, peer: Peer) -> None:
        """One Append, or what must take its place."""
        log = self._state.log
        if peer.next <= log.base_index:
            self._install(node, peer)
            return
        entries, size = log.batch(peer.next - 1, self._state.options.append_bytes_max)
        self._append(node, peer, entries, size)

    def _append(self, node: NodeId, peer: Peer, entries: tuple[Entry, ...], size: int) -> None:
        """An Append with these entries, from the next one on."""
        state, log = self._state, self._state.log
        prev_index = peer.next - 1
        prev_term = log.term(prev_index)
        assert prev_term is not None
        state.messages.append(Append(node, state.node, state.term, prev_index, prev_term, log.commit, entries))
        peer.commit_told = max(peer.commit_told, min(log.commit, prev_index + len(entries)))
        if peer.state is PeerState.PROBE:
            peer.is_paused = True
        elif entries:
            peer.sent(entries[-1].index, size)

    def _install(self, node: NodeId, peer: Peer) -> None:
        """Have a snapshot sent, unless nobody is there to take it."""
        state = self._state
        if peer.is_active:
            peer.snapshot(state.mark.index)
            state.messages.append(Install(node, state.node, state.term, state.mark))
