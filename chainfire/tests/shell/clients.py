"""A plain client for tests: grpcio and the generated messages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.message import Message

from ultracloud.api.etcd.election_rpc import ELECTION
from ultracloud.api.etcd.lock_rpc import LOCK
from ultracloud.api.etcd.rpc_rpc import AUTH, CLUSTER, KV, LEASE, MAINTENANCE, WATCH
from ultracloud.api.rpc import Method

TIMEOUT_S = 10.0
METHODS: dict[str, Method] = {
    f"{descriptor.name.rpartition('.')[2]}.{method.name}": method
    for descriptor in (KV, WATCH, LEASE, CLUSTER, MAINTENANCE, AUTH, LOCK, ELECTION)
    for method in descriptor.methods
}


class Client:
    """Calls any method by its name, `KV.Put`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel

    def __call__(self, name: str, request: Message) -> Any:
        """One request, one answer."""
        method = METHODS[name]
        call = self.channel.unary_unary(method.path, type(request).SerializeToString, method.response_type.FromString)
        return call(request, timeout=TIMEOUT_S)

    def stream(self, name: str, requests: Iterator[Message] | Message, timeout_s: float = TIMEOUT_S) -> Any:
        """Many requests, or one, and many answers."""
        method = METHODS[name]
        make = self.channel.stream_stream if method.client_streaming else self.channel.unary_stream
        call = make(method.path, method.request_type.SerializeToString, method.response_type.FromString)
        return call(requests, timeout=timeout_s)


@contextlib.contextmanager
def client(address: str) -> Iterator[Client]:
    """A client in clear text."""
    with grpc.insecure_channel(address) as channel:
        yield Client(channel)


def refusal(error: grpc.RpcError) -> str:
    """Code and sentence of a refused call."""
    return f"{error.code().name}: {error.details()}"  # type: ignore[attr-defined] # every RpcError of a call is a Call
