"""Speaks of locks and elections to a server by gRPC; calls may go on in the background."""

from __future__ import annotations

import threading
import time
from typing import Any

import grpc
from google.protobuf.message import Message
from shell.clients import METHODS, TIMEOUT_S, Client, refusal

from ultracloud.api.etcd import election_pb2, lock_pb2, rpc_pb2

WAIT_S = 0.15
"""How long a call that waits is given to end: long enough for one that would."""
PREFIX_ENDS = b"\xff"


class QueueSpeaker:
    """Answers the words of golden/locks.txt and golden/elections.txt."""

    def __init__(self, caller: Client) -> None:
        self._caller = caller
        self._running: dict[str, Any] = {}

    def say(self, words: list[str]) -> str:  # noqa: PLR0911 - an arm a word
        """The answer to a line."""
        match words:
            case ["begin", name, *rest]:
                self._running[name] = self._begin(*self._request(rest), timeout_s=TIMEOUT_S)
                return "begun"
            case ["wait", name]:
                time.sleep(WAIT_S)
                return "ended" if self._running[name].done() else "waits"
            case ["end", name]:
                return self._ended(self._running.pop(name))
            case ["leave", name]:
                self._running.pop(name).cancel()
                return "left"
            case ["within", seconds, *rest]:
                answer = self._ended(self._begin(*self._request(rest), timeout_s=float(seconds)))
                # Whose clock it was that ran out first is chance.
                return answer.partition(":")[0]
            case ["gone", key]:
                return self._gone(key.encode())
            case ["keys", prefix]:
                return self._keys(prefix.encode())
            case _:
                return self._ended(self._begin(*self._request(words), timeout_s=TIMEOUT_S))

    def _request(self, words: list[str]) -> tuple[str, Message]:  # noqa: PLR0911 - an arm a word
        match words:
            case ["grant", lease]:
                return "Lease.LeaseGrant", rpc_pb2.LeaseGrantRequest(ID=int(lease), TTL=100)
            case ["revoke", lease]:
                return "Lease.LeaseRevoke", rpc_pb2.LeaseRevokeRequest(ID=int(lease))
            case ["lock", name, lease]:
                return "Lock.Lock", lock_pb2.LockRequest(name=name.encode(), lease=int(lease))
            case ["unlock", key]:
                return "Lock.Unlock", lock_pb2.UnlockRequest(key=key.encode())
            case ["campaign", name, lease, value]:
                request = election_pb2.CampaignRequest(name=name.encode(), lease=int(lease), value=value.encode())
                return "Election.Campaign", request
            case ["leader", name]:
                return "Election.Leader", election_pb2.LeaderRequest(name=name.encode())
            case ["observe", name]:
                return "Election.Observe", election_pb2.LeaderRequest(name=name.encode())
            case ["proclaim", *rest]:
                leader = leader_of(rest[:4])
                return "Election.Proclaim", election_pb2.ProclaimRequest(
                    leader=leader, value=" ".join(rest[4:]).encode()
                )
            case ["resign", *rest]:
                return "Election.Resign", election_pb2.ResignRequest(leader=leader_of(rest))
        raise AssertionError(f"no such words: {words}")

    def _begin(self, name: str, request: Message, timeout_s: float) -> Any:
        if METHODS[name].server_streaming:
            return First(self._caller.stream(name, request, timeout_s))
        method = METHODS[name]
        serializer = type(request).SerializeToString
        call = self._caller.channel.unary_unary(method.path, serializer, method.response_type.FromString)
        return call.future(request, timeout=timeout_s)

    def _ended(self, running: Any) -> str:
        try:
            return shown(running.result())
        except grpc.RpcError as error:
            return refusal(error)

    def _keys(self, prefix: bytes) -> str:
        request = rpc_pb2.RangeRequest(
            key=prefix or b"\0", range_end=prefix + PREFIX_ENDS, sort_target=rpc_pb2.RangeRequest.CREATE
        )
        found = self._caller("KV.Range", request)
        return " ".join(f"{kv.key.decode()}@{kv.create_revision}" for kv in found.kvs) or "none"

    def _gone(self, key: bytes) -> str:
        """Wait until a key is gone: its call was left, but when the server hears of that is its own affair."""
        ends_at = time.monotonic() + TIMEOUT_S
        while self._caller("KV.Range", rpc_pb2.RangeRequest(key=key)).kvs:
            if time.monotonic() > ends_at:
                return "still there"
            time.sleep(0.02)
        return "gone"


class First:
    """The first answer of a stream, as a future."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._answer: list[Message] = []
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        self._answer.append(next(self._stream))
        self._stream.cancel()

    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> Message:
        self._thread.join(TIMEOUT_S)
        return self._answer[0]


def leader_of(words: list[str]) -> election_pb2.LeaderKey | None:
    """`NAME KEY REVISION LEASE`; None without."""
    if not words:
        return None
    name, key, revision, lease = words
    return election_pb2.LeaderKey(name=name.encode(), key=key.encode(), rev=int(revision), lease=int(lease))


def shown(answer: Any) -> str:
    """An answer, for a person."""
    at = f"revision {answer.header.revision}"
    match answer:
        case lock_pb2.LockResponse():
            return f"{answer.key.decode()} {at}"
        case election_pb2.CampaignResponse():
            leader = answer.leader
            return f"{leader.name.decode()} {leader.key.decode()}@{leader.rev} lease {leader.lease} {at}"
        case election_pb2.LeaderResponse():
            return f"{answer.kv.key.decode()}@{answer.kv.create_revision} {answer.kv.value.decode()!r} {at}"
        case rpc_pb2.LeaseGrantResponse():
            return f"lease {answer.ID}"
        case _:
            return at
