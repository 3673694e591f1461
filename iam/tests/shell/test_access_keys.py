"""Access keys from being made to verifying what botocore has signed with them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from google.protobuf.timestamp_pb2 import Timestamp

from iam.testing import Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import access_keys_pb2 as pb
from ultracloud.api.iam.v1 import iam_pb2
from ultracloud.api.iam.v1.access_keys_rpc import AccessKeysClient
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest, GetRequest, ListRequest
from ultracloud.base.sigv4 import HttpRequest, parse, verify
from ultracloud.servicekit import pki
from ultracloud.servicekit.access_keys import AccessKeyCopy
from ultracloud.servicekit.clock import SystemClock

STORE = pki.service_identity("lightningstor")


async def key_of_web(ada: Clients, **spec: object) -> pb.AccessKey:
    """A tenant with an account, and an access key of it."""
    await ada.make_organisation("acme")
    await ada.make_project("acme", "blue")
    await ada.make_account("blue", "web")
    return await make(ada, "s3", principal="web", **spec)


async def make(ada: Clients, name: str, **spec: object) -> pb.AccessKey:
    request = pb.CreateAccessKeyRequest(project="blue", name=name, spec=pb.AccessKeySpec(**spec))  # type: ignore[arg-type]
    return await AccessKeysClient(ada.channel).create(request)


@asynccontextmanager
async def verifier(iam: RunningIam) -> AsyncIterator[AccessKeyCopy]:
    """What lightningstor keeps of access keys."""
    async with iam.clients(STORE) as store:
        copy = AccessKeyCopy(store.channel, SystemClock())
        running = asyncio.create_task(copy.run())
        try:
            yield copy
        finally:
            running.cancel()
            await asyncio.wait([running])


async def until_gone(copy: AccessKeyCopy, public: str) -> float:
    """Seconds until a key that was known is good no more."""
    began = time.monotonic()
    for _ in range(500):
        if await copy.find(public) is None:
            return time.monotonic() - began
        await asyncio.sleep(0.01)
    raise AssertionError("the key is still good")


def test_what_is_signed_with_a_key_verifies_and_says_who(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        made = await key_of_web(ada)
        request = AWSRequest(method="GET", url="http://s3.local/bucket/a%20b?list-type=2", headers={})
        credentials = Credentials(made.status.access_key_id, made.secret_access_key)
        S3SigV4Auth(credentials, "s3", "local").add_auth(request)
        parts = urlsplit(request.url)
        headers = {name.lower(): str(value) for name, value in request.headers.items()} | {"host": parts.netloc}
        got = HttpRequest("GET", parts.path, parts.query, headers)
        async with verifier(iam) as copy:
            known = await copy.find(parse(got).access_key_id)
            assert known is not None
            verify(got, parse(got), known.secret, time.time())
            account = iam.source.snapshot.policy.service_accounts[0]
            assert (known.principal.id, known.principal.project) == (f"serviceaccount:{account.id}", account.project)

    live(scenario)


def test_a_secret_is_told_once_and_only_sealed_in_the_store(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        made = await key_of_web(ada)
        assert len(made.secret_access_key) == 40
        client = AccessKeysClient(ada.channel)
        assert (await client.get(GetRequest(project="blue", ref="s3"))).secret_access_key == ""
        listed = await client.list(
            ListRequest(filter=f"status.access_key_id={made.status.access_key_id}", project="blue")
        )
        assert [(one.metadata.id, one.secret_access_key) for one in listed.items] == [(made.metadata.id, "")]
        entries = (await iam.store.scan(b"", b"", limit=1000)).entries
        assert not [entry.key for entry in entries if made.secret_access_key.encode() in entry.value]
        same = pb.CreateAccessKeyRequest(
            project="blue", name="x", spec=pb.AccessKeySpec(principal="web"), idempotency_key="k"
        )
        first, again = await client.create(same), await client.create(same)
        assert (bool(first.secret_access_key), again.secret_access_key) == (True, "")
        assert again.status.access_key_id == first.status.access_key_id

    live(scenario)


def test_a_key_that_is_disabled_deleted_or_whose_account_is_ends_at_once(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        one = await key_of_web(ada)
        two, three = await make(ada, "two", principal="web"), await make(ada, "three", principal="web")
        client = AccessKeysClient(ada.channel)
        async with verifier(iam) as copy:
            for key in (one, two, three):
                assert await copy.find(key.status.access_key_id) is not None
            off = pb.AccessKeySpec(disabled=True)
            await client.update(pb.UpdateAccessKeyRequest(project="blue", ref="s3", update_mask=["disabled"], spec=off))
            assert await until_gone(copy, one.status.access_key_id) < 1
            await client.delete(DeleteRequest(project="blue", ref="two"))
            assert await until_gone(copy, two.status.access_key_id) < 1
        disabled = iam_pb2.ServiceAccountSpec(disabled=True)
        await ada.accounts.update(
            iam_pb2.UpdateServiceAccountRequest(project="blue", ref="web", update_mask=["disabled"], spec=disabled)
        )
        async with verifier(iam) as fresh:
            assert await fresh.find(three.status.access_key_id) is None

    live(scenario)


def test_a_key_ends_when_it_was_said_to(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        ends = Timestamp(seconds=int(time.time()) + 2)
        made = await key_of_web(ada, expires_at=ends)
        async with verifier(iam) as copy:
            assert await copy.find(made.status.access_key_id) is not None
            await until_gone(copy, made.status.access_key_id)
        past = make(ada, "past", principal="web", expires_at=Timestamp(seconds=1))
        assert (await refusal_of(past)).reason == "EXPIRY_INVALID"

    live(scenario)


def test_only_the_service_that_verifies_learns_secrets(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        made = await key_of_web(ada)
        ask = pb.ResolveAccessKeyRequest(access_key_id=made.status.access_key_id)
        assert (await refusal_of(AccessKeysClient(ada.channel).resolve(ask))).reason == "NOT_A_SERVICE"
        async with iam.clients(pki.service_identity("prismnet")) as prismnet:
            assert (await refusal_of(AccessKeysClient(prismnet.channel).resolve(ask))).reason == "NO_BINDING"
        async with iam.clients(STORE) as store:
            for unknown in ("UC" + "A" * 18, "", "../x"):
                asked = pb.ResolveAccessKeyRequest(access_key_id=unknown)
                assert not (await AccessKeysClient(store.channel).resolve(asked)).usable

    live(scenario)


def test_nobody_hands_out_more_than_they_hold(live: Live) -> None:
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await key_of_web(ada)
        await ada.make_account("blue", "boss")
        await ada.make_binding("acme", "boss", "owner", "serviceaccount:blue/boss", "organisations/acme")
        await ada.make_account("blue", "clerk")
        await ada.make_binding("acme", "clerk", "admin", "serviceaccount:blue/clerk", "projects/blue")
        clerk = ada.with_token(await ada.make_token("blue", "clerk"))
        assert (await make(clerk, "mine", principal="clerk")).secret_access_key
        assert (await refusal_of(make(clerk, "boss", principal="boss"))).reason == "ESCALATION"
        other = make(clerk, "user", principal="user:usr-01jd0000000000000000000001")
        assert (await refusal_of(other)).reason == "NOT_YOURSELF"

    live(scenario)
