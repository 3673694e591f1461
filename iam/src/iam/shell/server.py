"""All of iam together: the store behind, the policy in the middle, the RPCs in front."""

from __future__ import annotations

import argon2

from iam.config import IamSettings
from iam.shell.chores import Chores
from iam.shell.hashing import PARAMETERS
from iam.shell.identity import IDENTITY_KINDS, Identity, Surroundings
from iam.shell.identity import OPEN_PATHS as IDENTITY_PATHS
from iam.shell.keys import Keys
from iam.shell.kinds import KINDS
from iam.shell.policy import PolicyServer
from iam.shell.settled import SettledStore
from iam.shell.source import Source
from iam.shell.tokens import TokensServer
from iam.shell.trust import OPEN_PATHS, TRUST_KINDS, TrustParts
from ultracloud.api.iam.v1.iam_rpc import POLICY, TOKENS
from ultracloud.servicekit.authn import Authenticator
from ultracloud.servicekit.resources import KindServer, Resources, tidy
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.store import Store
from ultracloud.wire import service


async def build(settings: IamSettings, runtime: Runtime) -> None:
    """Serve iam over its namespace in flaredb, which need not be up."""
    await assemble(settings, runtime, runtime.store())


async def assemble(
    settings: IamSettings, runtime: Runtime, store: Store, passwords: argon2.Parameters = PARAMETERS
) -> Source:
    """Serve iam over `store`, with digests of `passwords` made that way; gives the source of its policy.

    Raises:
        RootKeyError: The root key file is missing or unsafe.
        StartError: An address cannot be had.
    """
    clock = runtime.clock
    source = Source(store, clock, settings.admins, settings.state_dir)
    keys = Keys(
        store,
        source,
        clock,
        settings.root_key_file,
        create=settings.create_root_key,
        lifetime_days=settings.signing_key_days,
    )
    settled = SettledStore(store, source)
    resources = Resources(settled, source, clock, (*KINDS, *TRUST_KINDS, *IDENTITY_KINDS))
    chores = Chores(store, source, keys, resources, clock, settings.admins)
    has_policy, has_key = runtime.readiness.gate("a policy"), runtime.readiness.gate("signing keys")
    runtime.tasks.create_task(source.run(has_policy), name="follow the store")
    runtime.tasks.create_task(source.keep(), name="keep the policy on disk")
    runtime.tasks.create_task(chores.run(has_key), name="chores")
    runtime.tasks.create_task(tidy(resources), name="tidy")
    around = Surroundings(store, settled, source, keys, resources, clock, lambda: issuer_of(settings, runtime))
    identity = Identity(around, passwords, settings.upstreams)
    runtime.tasks.create_task(identity.run(), name="identity")
    trust = TrustParts(settings, runtime, store, source, keys, resources)
    services = [
        *(service(kind.service, KindServer(resources, kind)) for kind in KINDS),
        service(TOKENS, TokensServer(source, keys, clock, around.issuer)),
        service(POLICY, PolicyServer(source)),
        *trust.services,
        *identity.services(),
    ]
    authenticator = Authenticator(source, clock, open_paths=(*OPEN_PATHS, *IDENTITY_PATHS))
    await runtime.serve(
        services, [trust.denials, authenticator], endpoints=lambda _calls: {**trust.endpoints, **identity.endpoints()}
    )
    return source


def issuer_of(settings: IamSettings, runtime: Runtime) -> str:
    """The URL people reach us at: as configured, or where we listen."""
    scheme = "http" if runtime.identity is None else "https"
    return settings.issuer or f"{scheme}://{runtime.addresses[0] if runtime.addresses else settings.listen.address}"
