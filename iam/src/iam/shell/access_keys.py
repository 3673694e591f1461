"""Access keys: the kind, its server, and what services that verify signatures ask for.

The secret is told once, when the key is made. It must be kept, since a signature is verified with it; it is kept
sealed, in a key of the store that belongs to no record, so no list, watch or audit can carry it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

from google.protobuf.message import Message

from iam.core.access_key_ids import ID_BYTES, SECRET_BYTES, access_key_id, is_access_key_id, secret_access_key
from iam.core.envelope import Context as SealedContext
from iam.core.issuing import require_all_powers
from iam.shell.root_keys import RootKeys
from ultracloud.api.iam.v1 import access_keys_pb2 as pb
from ultracloud.api.iam.v1 import sealed_pb2
from ultracloud.api.iam.v1.access_keys_rpc import ACCESS_KEYS
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.rpc import Call
from ultracloud.base.accounts import find_account
from ultracloud.base.faults import InvalidArgumentError, PermissionDeniedError
from ultracloud.base.policy import Policy, Principal, revocation
from ultracloud.base.principals import (
    SERVICE_ACCOUNT_PREFIX,
    USER_PREFIX,
    PrincipalKind,
    service_account_principal,
    user_principal,
)
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.policy import authorise
from ultracloud.servicekit.resources import Context, Kind, KindServer, Resources, layout
from ultracloud.servicekit.resources.records import milliseconds
from ultracloud.servicekit.store import Committed, Store, prefix_end
from ultracloud.servicekit.store.following import Changed, Loaded, follow

PREFIX = b"keys/access/"
DESCRIPTION_LENGTH_MAX = 1000
CHANGES_MAX = 1000
"""Changes that wait for a slow watcher; beyond, it is told that all may have changed."""


def _admit(context: Context, new: pb.AccessKey, old: pb.AccessKey | None) -> pb.AccessKey:
    if len(new.spec.description) > DESCRIPTION_LENGTH_MAX:
        raise InvalidArgumentError(
            f"description has {len(new.spec.description)} characters; at most {DESCRIPTION_LENGTH_MAX} are accepted",
            reason="DESCRIPTION_TOO_LONG",
        )
    if old is None and new.spec.HasField("expires_at"):
        _check_expiry(context, new)
    policy = context.resources.authority.snapshot.policy
    if old is None:
        new.spec.principal = _principal(policy, context, new.spec.principal)
    if old is None or new.spec.disabled != old.spec.disabled or new.spec.expires_at != old.spec.expires_at:
        # A key is power, also one that is switched on again: whoever hands it out could use it.
        deed = "hand out an access key of somebody whose powers exceed yours"
        require_all_powers(policy, context.principal, new.spec.principal, deed)
    return new


def _check_expiry(context: Context, new: pb.AccessKey) -> None:
    if milliseconds(new.spec.expires_at) <= context.clock.now_ms():
        raise InvalidArgumentError("expires_at has passed already", reason="EXPIRY_INVALID")


def _principal(policy: Policy, context: Context, text: str) -> str:
    """Who speaks with a new key: a service account of the project, or the caller."""
    if text.startswith(USER_PREFIX):
        if text != context.principal.id:
            raise PermissionDeniedError("a user's access keys are made by that user alone", reason="NOT_YOURSELF")
        return text
    ref = text.removeprefix(SERVICE_ACCOUNT_PREFIX)
    if not ref:
        raise InvalidArgumentError(
            "principal is empty; give a service account of the project, or user:<your id>", reason="PRINCIPAL_INVALID"
        )
    account = find_account(policy, policy.project_of_id[context.place.id], ref)
    return f"{SERVICE_ACCOUNT_PREFIX}{account.id}"


ACCESS_KEY = Kind(
    name="AccessKey",
    prefix="key",
    service=ACCESS_KEYS,
    message=pb.AccessKey,
    admit=_admit,
    immutable=frozenset({"principal"}),
    indexed=("spec.principal", "status.access_key_id"),
)


class AccessKeysServer(KindServer[pb.AccessKey]):
    """Serves ultracloud.iam.v1.AccessKeys."""

    def __init__(self, resources: Resources, store: Store, keys: RootKeys, changes: AccessKeyChanges) -> None:
        super().__init__(resources, ACCESS_KEY)
        self._store = store
        self._keys = keys
        self._changes = changes

    async def create(self, request: Message, call: Call) -> pb.AccessKey:
        """Make one, and tell its secret: only now, and only to who really made it."""
        made = await super().create(request, call)
        if made.status.access_key_id:
            return made  # the same request, sent twice
        public, secret = access_key_id(os.urandom(ID_BYTES)), secret_access_key(os.urandom(SECRET_BYTES))
        place = SealedContext("access key", made.metadata.project, f"{made.metadata.id}/{public}")
        kept = sealed_pb2.SealedAccessKey(
            id=made.metadata.id, project=made.metadata.project, sealed_secret=self._keys.seal(place, secret.encode())
        )
        done = await self._store.txn({_key(public): 0}, {_key(public): kept.SerializeToString()})
        assert isinstance(done, Committed), public  # 90 random bits

        def name(message: pb.AccessKey) -> None:
            if not message.status.access_key_id:
                message.status.access_key_id = public

        await self.resources.change_status(ACCESS_KEY, made.metadata.id, name)
        stored = await self.resources.read(ACCESS_KEY, made.metadata.id)
        if stored is None or stored.message.status.access_key_id != public:
            await self._store.txn({}, {_key(public): None})  # somebody sent the same request faster
            return stored.message if stored else made
        stored.message.secret_access_key = secret
        return stored.message

    async def delete(self, request: DeleteRequest, call: Call) -> pb.AccessKey:
        """Delete one, and its secret with it."""
        gone = await super().delete(request, call)
        if gone.status.access_key_id:
            await self._store.txn({}, {_key(gone.status.access_key_id): None})
        return gone

    async def resolve(self, request: pb.ResolveAccessKeyRequest, call: Call) -> pb.ResolvedAccessKey:
        """A key's secret, for a service that verifies signatures."""
        with deadlines.inside(call):
            await self._require_verifier(call, "resolve")
            public = request.access_key_id
            nobody = pb.ResolvedAccessKey(access_key_id=public)
            entry = await self._store.get(_key(public)) if is_access_key_id(public) else None
            if entry is None:
                return nobody
            kept = sealed_pb2.SealedAccessKey.FromString(entry.value)
            found = await self.resources.read(ACCESS_KEY, kept.id)
            if found is None or found.message.status.access_key_id != public or not self._is_usable(found.message):
                return nobody
            spec = found.message.spec
            who = principal_of_key(self.resources.authority.snapshot.policy, spec.principal)
            if who is None:
                return nobody
            place = SealedContext("access key", kept.project, f"{kept.id}/{public}")
            return pb.ResolvedAccessKey(
                access_key_id=public,
                usable=True,
                secret_access_key=self._keys.open(place, kept.sealed_secret).decode(),
                principal=who.id,
                organisation=who.organisation,
                project=who.project,
                expires_at_s=spec.expires_at.seconds,
            )

    async def watch_changes(
        self, _request: pb.WatchAccessKeyChangesRequest, call: Call
    ) -> AsyncIterator[pb.AccessKeyChange]:
        """Which keys have changed."""
        await self._require_verifier(call, "watchchanges")
        async for public in self._changes.watch():
            yield pb.AccessKeyChange(access_key_id=public)

    async def _require_verifier(self, call: Call, verb: str) -> None:
        """Only our own services, and of those only who has the right: an owner of everything has no use for secrets."""
        caller = principal_of(call)
        if caller.kind is not PrincipalKind.SERVICE:
            raise PermissionDeniedError("only services that verify signatures may ask this", reason="NOT_A_SERVICE")
        await authorise(self.resources.authority, caller, ACCESS_KEY.permission(verb), "")

    def _is_usable(self, key: pb.AccessKey) -> bool:
        has_ended = key.spec.HasField("expires_at") and (
            milliseconds(key.spec.expires_at) <= self.resources.clock.now_ms()
        )
        return not (key.spec.disabled or has_ended or key.metadata.HasField("deleted_at"))


class AccessKeyChanges:
    """Tells watchers which keys have changed, from following the records."""

    def __init__(self, resources: Resources, store: Store) -> None:
        self._resources = resources
        self._store = store
        self._public: dict[bytes, str] = {}
        self._watchers: set[asyncio.Queue[str]] = set()

    async def run(self) -> None:
        """Follow the store, for ever."""
        prefix = layout.record_prefix(ACCESS_KEY.key)
        async for news in follow(self._store, prefix, prefix_end(prefix), self._resources.clock):
            match news:
                case Loaded(entries, _):
                    self._public = {entry.key: _public_of(entry.value) for entry in entries}
                    self._tell("")
                case Changed(changes, _):
                    for change in changes:
                        if change.value is not None:
                            self._public[change.key] = _public_of(change.value)
                        self._tell(self._public.get(change.key, ""))
                        if change.value is None:
                            self._public.pop(change.key, None)

    async def watch(self) -> AsyncIterator[str]:
        """Ids as they change; an empty one first, and whenever more changed than were kept."""
        queue: asyncio.Queue[str] = asyncio.Queue(CHANGES_MAX)
        self._watchers.add(queue)
        try:
            yield ""
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    def _tell(self, public: str) -> None:
        for queue in self._watchers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                public = ""
            queue.put_nowait(public)


def principal_of_key(policy: Policy, identifier: str) -> Principal | None:
    """Who a key speaks for, with its organisation and project; None if it is gone or disabled."""
    if identifier.startswith(SERVICE_ACCOUNT_PREFIX):
        account = policy.account_of_principal.get(identifier)
        project = policy.project_of_id.get(account.project) if account else None
        if account is None or project is None:
            return None
        who = service_account_principal(account.id, project.organisation, project.id)
    else:
        user = policy.user_of_principal.get(identifier)
        if user is None:
            return None
        who = user_principal(user.id, user.organisation)
    return None if revocation(policy, who) is not None else who


def _key(public: str) -> bytes:
    return PREFIX + public.encode()


def _public_of(value: bytes) -> str:
    """The access key id in a stored record."""
    from ultracloud.api.resource.v1.resource_pb2 import Record

    return pb.AccessKeyStatus.FromString(Record.FromString(value).status).access_key_id
