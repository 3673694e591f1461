"""Every RPC, well and badly used, against etcd 3.5 and against chainfire: answers, codes and sentences must be alike.

`UPDATE_GOLDENS=1 pytest tests/compat` writes the README's table anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import grpc
import pytest
from compat.programs import CHAINFIRE, member, needs, program
from compat.reasons import RPC_REASONS
from compat.section import check_section
from google.protobuf import text_format
from google.protobuf.message import Message

from ultracloud.api.etcd.election_rpc import ELECTION
from ultracloud.api.etcd.lock_rpc import LOCK
from ultracloud.api.etcd.rpc_rpc import AUTH, CLUSTER, KV, LEASE, MAINTENANCE, WATCH
from ultracloud.api.rpc import Method

HERE = Path(__file__).parent
METHODS: dict[str, Method] = {
    f"{service.name.rpartition('.')[2]}.{method.name}": method
    for service in (KV, WATCH, LEASE, LOCK, ELECTION, CLUSTER, MAINTENANCE, AUTH)
    for method in service.methods
}
ANSWER_S, STREAM_S = 5.0, 3.0
HEADER = ("cluster_id", "member_id", "raft_term")
BY_NATURE = {
    "StatusResponse": ("version", "dbSize", "dbSizeInUse", "leader", "raftIndex", "raftTerm", "raftAppliedIndex"),
    "HashResponse": ("hash",),
    "HashKVResponse": ("hash", "hash_revision"),
    "SnapshotResponse": ("remaining_bytes", "blob", "version"),
    "AuthenticateResponse": ("token",),
    "AlarmMember": ("memberID",),
    "Member": ("ID", "peerURLs", "clientURLs"),
    "LockResponse": ("key",),
    "LeaderKey": ("key", "lease"),
    # The candidate before it has just given up, and its key goes a moment later.
    "LeaderResponse": ("header",),
}
"""Fields that differ between two servers that answer alike."""
CHOSEN = (
    (re.compile(r'/[0-9a-f]{12,16}"'), '/LEASE"'),
    (re.compile(r"\b\d{15,20}\b"), "CHOSEN"),
    (re.compile(r"\bTTL: (99|100) grantedTTL"), "TTL: T grantedTTL"),
)
"""Leases that a server chose, also in keys; what is left of one a moment after it was granted."""
FATAL, DIES = "! ", "ends itself"
LETTERS = re.compile(r"%(\d+)%")


def requests() -> list[str]:
    """The lines of `requests.txt`."""
    lines = (HERE / "requests.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


class Caller:
    """Says lines to one server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._tokens: dict[str, str] = {"nonsense": "nonsense"}

    def say(self, line: str) -> str:
        """The comparable part of the answer."""
        call, _, text = line.partition(" ")
        user, _, name = call.rpartition("@")
        name, _, count = name.partition("*")
        method, metadata = METHODS[name], [("token", self._tokens.get(user, "none"))] if user else []
        try:
            if text.startswith("raw"):
                return self._raw(method, bytes.fromhex(text[4:]))
            messages = [parsed(method, part) for part in text.split(" ; ")]
            if count:
                return "\n".join(shown(one) for one in self._stream(method, messages, int(count), metadata))
            return self._unary(method, messages[0], metadata)
        except grpc.RpcError as error:
            code, sentence = error.code(), error.details()  # type: ignore[attr-defined] # it is a Call too
            # The client's clock and the server's race for who says this.
            late = code is grpc.StatusCode.DEADLINE_EXCEEDED
            return f"{code.name}: {'Deadline Exceeded' if late else sentence}"

    def _unary(self, method: Method, message: Message, metadata: Sequence[tuple[str, str]]) -> str:
        call = self._channel.unary_unary(method.path, type(message).SerializeToString, method.response_type.FromString)
        answer = call(message, timeout=ANSWER_S, metadata=metadata)
        if method.name == "Authenticate":
            self._tokens[message.name] = answer.token  # type: ignore[attr-defined] # it is an AuthenticateRequest
        return shown(answer)

    def _raw(self, method: Method, sent: bytes) -> str:
        call = self._channel.unary_unary(method.path, None, method.response_type.FromString)
        try:
            return shown(call(sent, timeout=ANSWER_S))
        except grpc.RpcError as error:
            # What a protobuf library says of bytes that are no message is its own.
            return str(error.code().name)  # type: ignore[attr-defined] # it is a Call too

    def _stream(
        self, method: Method, messages: list[Message], count: int, metadata: Sequence[tuple[str, str]]
    ) -> Iterator[Any]:
        """So many answers, or fewer if the next does not come."""
        if not method.client_streaming:
            call = self._channel.unary_stream(
                method.path, method.request_type.SerializeToString, method.response_type.FromString
            )(messages[0], timeout=ANSWER_S, metadata=metadata)
        else:
            call = self._channel.stream_stream(
                method.path, method.request_type.SerializeToString, method.response_type.FromString
            )(self._one_by_one(messages), timeout=ANSWER_S, metadata=metadata)
        answers: Queue[Any] = Queue()
        with ThreadPoolExecutor(1) as reader:
            reader.submit(read_into, answers, call)
            try:
                for _ in range(count):
                    answer = answers.get(timeout=STREAM_S)
                    if isinstance(answer, grpc.RpcError):
                        raise answer
                    if answer is None:
                        return
                    yield answer
            except Empty:
                yield "nothing more"
            finally:
                call.cancel()

    def _one_by_one(self, messages: list[Message]) -> Iterator[Message]:
        yield from messages
        # The stream stays open until it is cancelled: its end would end the watches.
        with suppress(Empty):
            Queue[None]().get(timeout=ANSWER_S)


def read_into(answers: Queue[Any], call: Any) -> None:
    """Put what a stream gives, then its error or None."""
    try:
        for answer in call:
            answers.put(answer)
        answers.put(None)
    except grpc.RpcError as error:
        answers.put(error)


def parsed(method: Method, text: str) -> Message:
    """A request of protobuf's text form."""
    message = method.request_type()
    text_format.Parse(LETTERS.sub(lambda found: "x" * int(found[1]), text), message, allow_unknown_field=False)
    return message


def shown(answer: Any) -> str:
    """An answer without what differs by nature."""
    if isinstance(answer, str):
        return answer
    strip(answer)
    text = text_format.MessageToString(answer, as_one_line=True)
    for pattern, word in CHOSEN:
        text = pattern.sub(word, text)
    return text


def strip(message: Any) -> None:
    """Remove the fields that differ by nature, at every depth."""
    names = HEADER if message.DESCRIPTOR.name == "ResponseHeader" else BY_NATURE.get(message.DESCRIPTOR.name, ())
    for field in names:
        message.ClearField(field)
    if message.DESCRIPTOR.name.startswith("Member") and "members" in message.DESCRIPTOR.fields_by_name:
        # In the order of ids, which are drawn.
        message.members.sort(key=lambda member: bool(member.isLearner))
    if message.DESCRIPTOR.name == "LeaseTimeToLiveResponse":
        message.keys.sort()
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                strip(one)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """Line, etcd's answer, chainfire's answer."""
    folder, etcd = tmp_path_factory.mktemp("rpcs"), program("etcd", "3.5")
    assert etcd is not None
    flags = ["--bcrypt-cost=4"]
    with (
        member([etcd], folder / "etcd", *flags) as theirs,
        member(CHAINFIRE, folder / "chainfire", *flags) as ours,
        grpc.insecure_channel(theirs.addresses[0], options=[("grpc.max_send_message_length", -1)]) as their_channel,
        grpc.insecure_channel(ours.addresses[0], options=[("grpc.max_send_message_length", -1)]) as our_channel,
        ThreadPoolExecutor(2) as side,
    ):
        callers = [Caller(their_channel), Caller(our_channel)]
        found = []
        for line in requests():
            if line.startswith(FATAL):
                found.append((line, DIES, callers[1].say(line.removeprefix(FATAL))))
                continue
            wanted, got = side.map(lambda caller, line=line: caller.say(line), callers)
            found.append((line, wanted, got))
        return found


@needs("3.5")
@pytest.mark.timeout(180)
def test_each_request_is_answered_as_etcd_answers_it_or_the_reason_is_known(
    answers: list[tuple[str, str, str]],
) -> None:
    unexplained = [
        f"> {line[:200]}\n- {wanted[:300]}\n+ {got[:300]}"
        for line, wanted, got in answers
        if wanted not in (got, DIES) and method_of(line) not in RPC_REASONS
    ]
    assert not unexplained, "\n".join(unexplained)


@needs("3.5")
def test_what_ends_an_etcd_is_refused(answers: list[tuple[str, str, str]]) -> None:
    refusals = [got for _, wanted, got in answers if wanted == DIES]
    assert refusals
    assert all(got.startswith("INVALID_ARGUMENT: etcdserver: ") for got in refusals), refusals


def method_of(line: str) -> str:
    """`KV.Put` of a line."""
    return line.removeprefix(FATAL).partition(" ")[0].rpartition("@")[2].partition("*")[0]


@needs("3.5")
def test_the_readme_has_the_table_of_rpcs(answers: list[tuple[str, str, str]]) -> None:
    lines = ["| RPC | answers like etcd's | |", "|---|---|---|"]
    for name in METHODS:
        pairs = [(wanted, got) for line, wanted, got in answers if method_of(line) == name and wanted != DIES]
        same = sum(wanted == got for wanted, got in pairs)
        is_same = same == len(pairs)
        why = "" if is_same else RPC_REASONS.get(name, "")
        lines.append(f"| {name} | {f'same ({same})' if is_same else f'{same} of {len(pairs)}'} | {why} |")
    check_section("rpcs", "\n".join(lines))


def test_every_rpc_is_asked() -> None:
    assert {method_of(line) for line in requests()} == set(METHODS)
