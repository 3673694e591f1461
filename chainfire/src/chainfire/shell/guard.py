"""Who calls, and whether they may: what every service asks while authentication is enabled.

A call names its caller by a token in its metadata or, without one, by the CommonName of its certificate. Services ask
`is_on` first; while it is off, nothing here costs a call anything.

Source: etcd 3.5 semantics of tokens and of `--client-cert-auth`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from chainfire.core import auth_access
from chainfire.core.commands import NOBODY_KNOWN, AlarmSet, By, Caller, Compact, LeaseRevoke, PlainCommand, Txn
from chainfire.core.keyvalue import LeaseId
from chainfire.core.results import Result
from chainfire.errors import InvalidTokenError
from chainfire.shell.node import Node
from chainfire.shell.tokens import Tokens
from ultracloud.api.rpc import Call
from ultracloud.base.faults import Fault

TOKEN_KEYS = ("token", "authorization")
"""Where a token is in the metadata; etcd's clients use the first, its gateway the second."""
GATEWAY_KEY = "grpcgateway-accept"
"""Says that the call comes through a gateway, whose certificate is not the caller's."""
BEHIND_S = 5.0
"""How long a token is waited for that this member has yet to learn of."""
TICK_S = 1.0
"""How often old tokens are looked for: etcd's."""

AnswerT = TypeVar("AnswerT")


class Guard:
    """Recognises callers and asks what they may do.

    Args:
        node: Whose users and roles count.
        tokens: How tokens are made.
        ttl_ms: How long a simple token lives unused.
        is_certificate_enough: Take the CommonName of a client's certificate for its user, if it shows no token.
        now_ms: A clock that never goes back.
    """

    def __init__(
        self, node: Node, tokens: Tokens, ttl_ms: int, *, is_certificate_enough: bool, now_ms: Callable[[], int]
    ) -> None:
        self._node = node
        self._tokens = tokens
        self._is_certificate_enough = is_certificate_enough
        self._now_ms = now_ms
        self._auth = node.machine.auth
        self._auth.tokens.ttl_ms = ttl_ms
        self._auth.tokens.tick(now_ms())
        self._auth.forget_tokens(node.replica.raft.last_index)

    @property
    def is_on(self) -> bool:
        """Whether anybody is asked."""
        return self._auth.is_enabled

    async def run(self) -> None:
        """Forget old tokens, until cancelled."""
        while True:
            self._auth.tokens.tick(self._now_ms())
            await asyncio.sleep(TICK_S)

    def caller(self, call: Call) -> Caller:
        """Who calls; NOBODY_KNOWN if nothing says so.

        Raises:
            InvalidTokenError: The token is unknown, expired or forged.
        """
        token = _token_of(call)
        if token is not None:
            found = self._tokens.caller(token)
            if found is None:
                raise InvalidTokenError
            return found
        name = call.peer.common_name
        if name is None or not self._is_certificate_enough or GATEWAY_KEY in call.metadata:
            return NOBODY_KNOWN
        return Caller(name, self._auth.revision)

    def is_behind(self, call: Call) -> bool:
        """Whether this member may have yet to learn of the call's token."""
        return self._index_ahead(call) > 0

    async def learn(self, call: Call) -> None:
        """Wait until this member knows of a token that another one just gave."""
        index = self._index_ahead(call)
        if index:
            left_s = call.time_remaining()
            within_s = BEHIND_S if left_s is None else min(left_s, BEHIND_S)
            await self._node.wait_until(lambda: self._node.machine.applied_index >= index, within_s)

    def propose(self, command: PlainCommand, call: Call, answer: Callable[[Result], AnswerT]) -> Awaitable[AnswerT]:
        """Have a client's command logged and applied with its caller; raises as `caller` and `Node.propose`."""
        if self.is_on and self._index_ahead(call):
            return self._propose_later(command, call, answer)
        return self._node.propose(self.signed(command, call), answer)

    def signed(self, command: PlainCommand, call: Call) -> PlainCommand | By:
        """A client's command, with its caller if that will be asked; raises as `caller`."""
        if self.is_on:
            return By(self.caller(call), command)
        # Without a caller these would pass for what members do by themselves.
        return By(NOBODY_KNOWN, command) if isinstance(command, LeaseRevoke | Compact | AlarmSet) else command

    async def require_known(self, call: Call) -> None:
        """Refuse a call of nobody knows whom; raises as `caller` and `auth_access.require_known`."""
        if self.is_on:
            await self.learn(call)
            auth_access.require_known(self.caller(call))

    async def require_root(self, call: Call) -> None:
        """Refuse a call of anybody but those with the role root; raises as `caller` and `auth_access.require_root`."""
        if self.is_on:
            await self.learn(call)
            auth_access.require_root(self._auth, self.caller(call))

    def check_read(self, call: Call, key: bytes, end: bytes = b"") -> None:
        """Refuse to show a range; raises as `caller` and `auth_access.check_read`."""
        if self.is_on:
            auth_access.check_read(self._auth, self.caller(call), key, end)

    def check_txn(self, call: Call, txn: Txn) -> None:
        """Refuse a txn; raises as `caller` and `auth_access.check_txn`."""
        if self.is_on:
            auth_access.check_txn(self._auth, self._node.machine.leases, self.caller(call), txn)

    async def check_renewed(self, call: Call, lease: LeaseId) -> None:
        """Refuse to let a lease live on whose keys the caller may not write; raises as `caller`, and its refusals."""
        if self.is_on:
            await self.learn(call)
            caller = self.caller(call)
            auth_access.require_known(caller)
            auth_access.check_lease_written(self._auth, self._node.machine.leases, caller, lease)

    async def check_told(self, call: Call, lease: LeaseId) -> None:
        """Refuse to tell the keys of a lease that the caller may not read; raises as `caller`, and its refusals."""
        if self.is_on:
            await self.learn(call)
            found = self._node.machine.leases.find(lease)
            auth_access.check_leases_read(self._auth, self.caller(call), sorted(found.keys) if found else ())

    async def check_listed(self, call: Call) -> None:
        """Refuse to list leases if the caller may not read all their keys; raises as `caller`, and its refusals."""
        if self.is_on:
            await self.learn(call)
            keys = (key for lease in self._node.machine.leases.all() for key in lease.keys)
            auth_access.check_leases_read(self._auth, self.caller(call), keys)

    async def watch_refusal(self, call: Call, key: bytes, end: bytes) -> str:
        """Why a range may not be watched, as etcd says it; empty if it may."""
        if not self.is_on:
            return ""
        await self.learn(call)
        try:
            self.check_read(call, key, end)
        except Fault as refusal:
            words = "".join(word.capitalize() for word in refusal.code_name.split("_"))
            return f"rpc error: code = {words} desc = {refusal.public}"
        return ""

    async def _propose_later(self, command: PlainCommand, call: Call, answer: Callable[[Result], AnswerT]) -> AnswerT:
        await self.learn(call)
        return await self._node.propose(self.signed(command, call), answer)

    def _index_ahead(self, call: Call) -> int:
        """The entry that gave the call's token, if this member has not applied it yet; else 0."""
        token = _token_of(call)
        digits = token.partition(".")[2] if token is not None else ""
        index = int(digits) if digits.isdecimal() and len(digits) <= len(str(1 << 64)) else 0
        return index if index > self._node.machine.applied_index else 0


def _token_of(call: Call) -> str | None:
    for key in TOKEN_KEYS:
        token = call.metadata.get(key)
        if token is not None:
            return token
    return None
