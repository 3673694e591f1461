"""``iam import-ca``: hand the authority that the first certificates were made with over to iam.

From then on iam issues certificates that everybody trusts already, and can replace the root. Certificates that were
made before are not known to iam; a rotation waits until they must have ended, or until an operator says otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from iam.config import IamSettings
from iam.errors import RootKeyError
from iam.shell.ca_codec import STATE_KEY, sealed_root
from iam.shell.root_key import load_root_keys
from iam.shell.root_keys import RootKeys
from ultracloud.api.iam.v1 import ca_state_pb2 as state_pb
from ultracloud.base.faults import Fault
from ultracloud.servicekit import channels, config, pki
from ultracloud.servicekit.certificates import Ca, fingerprint
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.lifecycle import Command
from ultracloud.servicekit.runtime import identity_of
from ultracloud.servicekit.store import Conflict, FlaredbStore, Store

DAY_MS = 86_400_000


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--config", type=Path, required=True, help="iam's TOML file")
    parser.add_argument("folder", type=Path, help="where ca.crt and ca.key are")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import, and say what to do next."""
    settings = config.load(IamSettings, arguments.config, os.environ, "IAM")
    try:
        ca = pki.load_ca(arguments.folder)
    except (OSError, ValueError) as error:
        raise StartError(f"{arguments.folder} has no authority: {error}") from error
    keys = load_root_keys(settings.root_key_file)
    if not keys:
        raise RootKeyError(f"root_key_file {settings.root_key_file} does not exist yet; start iam once, then import")
    try:
        said = asyncio.run(_import(settings, ca, keys))
    except Fault as error:
        raise StartError(f"flaredb does not take it: {error}") from error
    sys.stdout.write(f"{said}\n")
    return 0


async def _import(settings: IamSettings, ca: Ca, keys: tuple[bytes, ...]) -> str:
    """Over a connection of our own, as iam; a running iam notices."""
    identity = identity_of(settings)
    target = settings.peers.flaredb.split(",")[0]
    channel = channels.connect(target, identity, pki.service_identity("flaredb") if identity else "")
    try:
        return await import_ca(FlaredbStore(channel, "iam"), RootKeys(lambda: keys), ca, int(time.time() * 1000))
    finally:
        await channel.close()


async def import_ca(store: Store, keys: RootKeys, ca: Ca, now_ms: int) -> str:
    """Make `ca` this cloud's authority; gives a sentence.

    Raises:
        StartError: Another one is.
    """
    ends_ms = int(ca.certificate.not_valid_after_utc.timestamp() * 1000)
    unaccounted_ms = min(ends_ms, now_ms + pki.CERTIFICATE_DAYS * DAY_MS)
    root = sealed_root(keys, ca, now_ms, unaccounted_ms)
    state = state_pb.CaState(roots=[root], signing=root.id, trust_version=1, since_ms=now_ms)
    done = await store.txn({STATE_KEY: 0}, {STATE_KEY: state.SerializeToString()})
    if isinstance(done, Conflict):
        entry = await store.get(STATE_KEY)
        known = [one.id for one in state_pb.CaState.FromString(entry.value).roots] if entry else []
        if fingerprint(ca.certificate) not in known:
            raise StartError("this cloud has another authority already; nothing was changed")
        return "it is this cloud's authority already"
    return (
        "imported; now set tls.renew = true for each service, restart them one by one, and keep ca.key off this machine"
    )


COMMAND = Command("import-ca", "hand the authority made by ultracloud.servicekit.pki over to iam", configure)
