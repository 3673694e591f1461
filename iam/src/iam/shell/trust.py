"""What iam keeps secret and vouches for: certificates, join tokens, its audit trail. Put together for `server`."""

from __future__ import annotations

from typing import Any

from iam.config import IamSettings
from iam.shell.access_keys import ACCESS_KEY, AccessKeyChanges, AccessKeysServer
from iam.shell.ca import OPEN_PATHS, TRUST_PAGE, CaServer, LocalIssuer
from iam.shell.ca_keeper import CaKeeper
from iam.shell.data_keys import DataKeys
from iam.shell.heads import AuditHeadsServer, Heads
from iam.shell.join_tokens import JOIN_TOKEN, JoinTokens, JoinTokensServer
from iam.shell.keys import Keys
from iam.shell.resealing import Resealer
from iam.shell.root_keys import RootKeys
from iam.shell.secrets import SECRET, SecretsServer
from iam.shell.source import Source
from ultracloud.api.iam.v1.access_keys_rpc import ACCESS_KEYS
from ultracloud.api.iam.v1.audit_heads_rpc import AUDIT_HEADS
from ultracloud.api.iam.v1.ca_rpc import CA, JOIN_TOKENS
from ultracloud.api.iam.v1.iam_rpc import TOKENS
from ultracloud.api.iam.v1.identity_rpc import CREDENTIALS, PERSONAL_TOKENS, SESSIONS
from ultracloud.api.iam.v1.secrets_rpc import SECRETS
from ultracloud.api.trail.v1.trail_rpc import TRAIL
from ultracloud.servicekit.resources import Denials, Kind, Resources, TrailServer
from ultracloud.servicekit.runtime import Runtime
from ultracloud.servicekit.store import Store
from ultracloud.wire import HttpEndpoint, Service, service

__all__ = ["OPEN_PATHS", "TRUST_KINDS", "TrustParts"]

TRUST_KINDS: tuple[Kind[Any], ...] = (JOIN_TOKEN, ACCESS_KEY, SECRET)

_QUIET = frozenset({"Describe", "List", "Refresh", "Exchange", "WhoAmI"})
"""What changes nothing, or happens every few minutes for as long as somebody is there."""
DEEDS = tuple(
    method.path
    for served in (CREDENTIALS, SESSIONS, PERSONAL_TOKENS, TOKENS)
    for method in served.methods
    if method.name not in _QUIET
)
"""What is no kind's and is in the audit trail all the same: tokens given out, logins, passwords set."""


class TrustParts:
    """The servers of this part, over what the rest of iam has.

    Attributes:
        services: To be served.
        denials: The first interceptor.
        endpoints: Pages by path.
    """

    def __init__(
        self, settings: IamSettings, runtime: Runtime, store: Store, source: Source, keys: Keys, resources: Resources
    ) -> None:
        root_keys = RootKeys(keys.root_keys)
        keeper = CaKeeper(
            store,
            root_keys,
            runtime.clock,
            leaf_ttl_s=settings.certificate_ttl_s,
            settle_s=settings.ca_settle_s,
        )
        tokens = JoinTokens(resources, store)
        authority = CaServer(keeper, tokens, source, resources)
        runtime.tasks.create_task(keeper.run(), name="keep the certificate authority")
        if settings.tls.renew:
            runtime.renew_certificate(LocalIssuer(keeper))
        changes = AccessKeyChanges(resources, store)
        runtime.tasks.create_task(changes.run(), name="follow access keys")
        data_keys = DataKeys(store, root_keys, runtime.clock)
        runtime.tasks.create_task(data_keys.run(), name="rotate data keys")
        resealer = Resealer(store, root_keys, keys.root_keys, runtime.clock, runtime.metrics.registry)
        runtime.tasks.create_task(resealer.run(), name="seal anew")
        heads = Heads(keys, runtime.clock)
        self.denials = Denials(resources.trail, runtime.clock, DEEDS).watch(runtime)
        self.services: tuple[Service, ...] = (
            service(AUDIT_HEADS, AuditHeadsServer(heads)),
            service(TRAIL, TrailServer(resources, "iam", heads.sign_own)),
            service(CA, authority),
            service(ACCESS_KEYS, AccessKeysServer(resources, store, root_keys, changes)),
            service(SECRETS, SecretsServer(resources, store, data_keys)),
            service(JOIN_TOKENS, JoinTokensServer(resources, store)),
        )
        self.endpoints: dict[str, HttpEndpoint] = {TRUST_PAGE: authority.trust_page}
