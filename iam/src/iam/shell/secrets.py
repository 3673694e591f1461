"""Secrets: the kind and its server. Values are kept beside the records, sealed, and leave only through Access.

A value comes in with Create, Update or AddVersion. It is taken out of the request before anything else sees it, so it
is in no record, no audit trail and no memory of idempotent requests.
"""

from __future__ import annotations

from google.protobuf.message import Message

from iam.shell.data_keys import DataKeys, value_context, value_key, value_prefix
from ultracloud.api.iam.v1 import secrets_pb2 as pb
from ultracloud.api.iam.v1.secrets_rpc import SECRETS
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.api.rpc import Call
from ultracloud.base.faults import (
    AbortedError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
)
from ultracloud.base.principals import PrincipalKind
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.resources import Context, Kind, KindServer, Located, Resources
from ultracloud.servicekit.resources.deeds import deed
from ultracloud.servicekit.resources.places import resource_path
from ultracloud.servicekit.resources.records import timestamp
from ultracloud.servicekit.store import Committed, Store, prefix_end

VALUE_BYTES_MAX = 65_536
"""A certificate with its chain and key has some 10 KB; what is larger is a file and belongs into object storage."""
VERSIONS_MAX, VERSIONS_DEFAULT = 100, 10
DESCRIPTION_LENGTH_MAX = 1000
REFS_MAX = 100
"""References of one resource: a pod has a few, and each costs an audit record."""
RACES_MAX = 20
PAGE = 100


def _admit(_context: Context, new: pb.Secret, _old: pb.Secret | None) -> pb.Secret:
    assert not new.spec.value, "the server takes values out of requests"
    if len(new.spec.description) > DESCRIPTION_LENGTH_MAX:
        raise InvalidArgumentError(
            f"description has {len(new.spec.description)} characters; at most {DESCRIPTION_LENGTH_MAX} are accepted",
            reason="DESCRIPTION_TOO_LONG",
        )
    if not 0 <= new.spec.versions_kept <= VERSIONS_MAX:
        raise InvalidArgumentError(
            f"versions_kept is {new.spec.versions_kept}; accepted: 1 to {VERSIONS_MAX}, or 0 for {VERSIONS_DEFAULT}",
            reason="VERSIONS_KEPT_INVALID",
        )
    return new


SECRET = Kind(
    name="Secret",
    prefix="secret",
    service=SECRETS,
    message=pb.Secret,
    admit=_admit,
    secret=frozenset({"value"}),
)


class SecretsServer(KindServer[pb.Secret]):
    """Serves ultracloud.iam.v1.Secrets."""

    def __init__(self, resources: Resources, store: Store, keys: DataKeys) -> None:
        super().__init__(resources, SECRET)
        self._store = store
        self._keys = keys

    async def create(self, request: Message, call: Call) -> pb.Secret:
        """Make one, with its first version if there is a value."""
        assert isinstance(request, pb.CreateSecretRequest)
        value, bare = _checked(request.spec.value), pb.CreateSecretRequest()
        bare.CopyFrom(request)
        bare.spec.value = b""
        made = await super().create(bare, call)
        if value and not made.status.latest:  # otherwise: the same request, sent twice
            with deadlines.inside(call):
                located = await self.locate(call, "create", made.metadata.project, made.metadata.id)
                made = await self._add(located, value)
        return made

    async def update(self, request: Message, call: Call) -> pb.Secret:
        """Change one; a value makes a new version."""
        assert isinstance(request, pb.UpdateSecretRequest)
        value, bare = _checked(request.spec.value), pb.UpdateSecretRequest()
        bare.CopyFrom(request)
        bare.spec.value = b""
        is_named = bool(request.update_mask)
        kept = [path for path in request.update_mask if path != "value"]
        if is_named and value and len(kept) == len(request.update_mask):
            raise InvalidArgumentError("the request has a value that its update_mask does not name")
        if kept or not is_named:
            bare.update_mask[:] = kept
            changed = await super().update(bare, call)
            if not value:
                return changed
        with deadlines.inside(call):
            located = await self.locate(call, "update", request.project, request.ref)
            if not value:
                raise InvalidArgumentError("value is empty; to take one back, destroy its version")
            _check_etag(located, "" if kept or not is_named else request.etag)
            await self._record(call, located, "update", {"value": "(a new version)"})
            return await self._add(located, value)

    async def delete(self, request: DeleteRequest, call: Call) -> pb.Secret:
        """Delete one with all its values."""
        gone = await super().delete(request, call)
        await self._forget(gone.metadata.project, gone.metadata.id)
        return gone

    async def add_version(self, request: pb.AddSecretVersionRequest, call: Call) -> pb.Secret:
        """Give it a new value."""
        with deadlines.inside(call):
            located = await self.locate(call, "addversion", request.project, request.ref)
            value = _checked(request.value)
            if not value:
                raise InvalidArgumentError("value is empty", reason="VALUE_INVALID")
            _check_etag(located, request.etag)
            await self._record(call, located, "addversion", {})
            return await self._add(located, value)

    async def access(self, request: pb.AccessSecretRequest, call: Call) -> pb.AccessSecretResponse:
        """Give the value; that somebody has read it is written down before."""
        with deadlines.inside(call):
            located = await self.locate(call, "access", request.project, request.ref)
            secret = located.stored.message
            number = request.number or secret.status.latest
            await self._record(call, located, "access", {"version": str(number)})
            return await self._value(secret, number)

    async def resolve(self, request: pb.ResolveSecretsRequest, call: Call) -> pb.ResolveSecretsResponse:
        """Give the values that a resource refers to, to the service whose resource it is; written down as Access is."""
        with deadlines.inside(call):
            if principal_of(call).kind is not PrincipalKind.SERVICE:
                raise PermissionDeniedError("only services that run workloads may ask this", reason="NOT_A_SERVICE")
            if len(request.refs) > REFS_MAX:
                raise InvalidArgumentError(f"the request has {len(request.refs)} refs; at most {REFS_MAX} are accepted")
            answer = pb.ResolveSecretsResponse()
            for ref in request.refs:
                located = await self.locate(call, "resolve", request.project, ref.secret)
                secret = located.stored.message
                number = ref.number or secret.status.latest
                await self._record(call, located, "resolve", {"version": str(number)})
                answer.values.append(await self._value(secret, number))
            return answer

    async def destroy_version(self, request: pb.DestroySecretVersionRequest, call: Call) -> pb.Secret:
        """Make one value unreadable for good."""
        with deadlines.inside(call):
            located = await self.locate(call, "destroyversion", request.project, request.ref)
            secret, number = located.stored.message, request.number
            if number not in [one.number for one in secret.status.versions]:
                raise NotFoundError(
                    f"secret {secret.metadata.name} has no version {number}", reason="SECRET_VERSION_NOT_FOUND"
                )
            await self._record(call, located, "destroyversion", {"version": str(number)})
            await self._store.txn({}, {value_key(secret.metadata.project, secret.metadata.id, number): None})

            def mark(message: pb.Secret) -> None:
                for one in message.status.versions:
                    if one.number == number:
                        one.destroyed = True

            return await self._changed(secret, mark)

    async def rotate_keys(self, request: pb.RotateSecretKeysRequest, call: Call) -> pb.RotateSecretKeysResponse:
        """Give a project a new data key."""
        with deadlines.inside(call):
            context = await self.enter(call, "rotatekeys", request.project)
            draft = deed(
                call,
                context.clock,
                context.principal.id,
                SECRET.permission("rotatekeys"),
                f"{context.place.path}/secrets",
            )
            await self.resources.trail.record(draft)
            return pb.RotateSecretKeysResponse(key_version=await self._keys.rotate(context.place.id))

    async def _value(self, secret: pb.Secret, number: int) -> pb.AccessSecretResponse:
        """A version's value.

        Raises:
            NotFoundError: There is none.
        """
        key = value_key(secret.metadata.project, secret.metadata.id, max(0, number))
        entry = await self._store.get(key)
        if number <= 0 or entry is None:
            raise NotFoundError(
                f"secret {secret.metadata.name} has no version {number}", reason="SECRET_VERSION_NOT_FOUND"
            )
        return pb.AccessSecretResponse(value=await self._keys.open(value_context(key), entry.value), number=number)

    async def _add(self, located: Located[pb.Secret], value: bytes) -> pb.Secret:
        """Write the value first: a version in the list has one."""
        secret, principal = located.stored.message, located.context.principal.id
        project, identifier = secret.metadata.project, secret.metadata.id
        number = secret.status.latest
        for _ in range(RACES_MAX):
            key = value_key(project, identifier, number + 1)
            sealed, newest = await self._keys.seal(value_context(key), value)
            done = await self._store.txn({key: 0, **newest}, {key: sealed})
            # The number may be taken, by somebody faster or by one who did not come to list it; or the data key is old.
            if isinstance(done, Committed):
                number += 1
                break
            number += key in done.failed
        else:
            raise AbortedError("others give this secret new values at the same time; try again", reason="CONTENDED")
        now = timestamp(self.resources.clock.now_ms())

        def append(message: pb.Secret) -> None:
            message.status.versions.add(number=number, created_at=now, created_by=principal, size_bytes=len(value))
            listed = sorted(message.status.versions, key=lambda one: one.number)
            kept = listed[-(message.spec.versions_kept or VERSIONS_DEFAULT) :]
            del message.status.versions[:]
            message.status.versions.extend(kept)
            message.status.latest = max(message.status.latest, number)

        changed = await self._changed(secret, append)
        await self._forget(project, identifier, before=changed.status.versions[0].number)
        return changed

    async def _changed(self, secret: pb.Secret, change: object) -> pb.Secret:
        """The secret after a change of its status."""
        assert callable(change)
        await self.resources.change_status(SECRET, secret.metadata.id, change)
        stored = await self.resources.read(SECRET, secret.metadata.id)
        if stored is None:
            await self._forget(secret.metadata.project, secret.metadata.id)
            raise NotFoundError(f"secret {secret.metadata.name} has been deleted", reason="RESOURCE_NOT_FOUND")
        return stored.message

    async def _forget(self, project: str, identifier: str, before: int | None = None) -> None:
        """Remove values: those of versions before one, or all."""
        prefix = value_prefix(project, identifier)
        end = prefix_end(prefix) if before is None else value_key(project, identifier, before)
        while True:
            page = await self._store.scan(prefix, end, limit=PAGE, keys_only=True)
            if page.entries:
                await self._store.txn({}, dict.fromkeys(entry.key for entry in page.entries))
            if not page.more:
                return

    async def _record(self, call: Call, located: Located[pb.Secret], verb: str, facts: dict[str, str]) -> None:
        context = located.context
        path = resource_path(context.place, SECRET, located.stored.metadata.id)
        draft = deed(call, context.clock, context.principal.id, SECRET.permission(verb), path, facts)
        await self.resources.trail.record(draft)


def _checked(value: bytes) -> bytes:
    if len(value) > VALUE_BYTES_MAX:
        raise InvalidArgumentError(
            f"value has {len(value)} bytes; at most {VALUE_BYTES_MAX} are accepted", reason="VALUE_INVALID"
        )
    return value


def _check_etag(located: Located[pb.Secret], etag: str) -> None:
    if etag and etag != located.stored.metadata.etag:
        raise FailedPreconditionError("the secret is not as you read it; read it again", reason="ETAG_MISMATCH")
