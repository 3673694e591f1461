"""Who a member is that has no state yet: one of those that begin a cluster, or one that joins."""

from __future__ import annotations

from pathlib import Path

from chainfire.config import Cluster, Config
from chainfire.core import calls, jointoken, membership
from chainfire.core.calls import CallKind, Roster
from chainfire.core.membership import Member
from chainfire.errors import StorageError
from chainfire.shell import snapshots
from chainfire.shell.newcomer import refuse_if_known, refuse_known
from chainfire.shell.peers import PeerTls, ask
from chainfire.shell.recovery import SNAPSHOT_FOLDER, Founding
from ultracloud.base.faults import Fault
from ultracloud.servicekit.errors import StartError

DEFAULT_PEER_URL = "http://localhost:2380"
"""etcd's. A member that is alone listens at none."""
ETCD_DATABASE = "member/snap/db"
"""Whoever has this folder would find none of its keys here, and think them lost."""
ASK_S = 5.0
"""For each member that is asked."""


async def founding_of(config: Config, tls: PeerTls | None) -> Founding | None:
    """Say who this member is; None if its state folder says it.

    Raises:
        StartError: It is to join, and nobody knows of it or can be reached; or it has taken part before, and its folder
            has lost that.
    """
    if snapshots.newest(config.state_dir / SNAPSHOT_FOLDER) is not None:
        return None
    if (config.state_dir / ETCD_DATABASE).exists():
        raise StartError(
            f"chainfire: {config.state_dir} is the data folder of an etcd, which is kept as it is; stop that etcd, "
            "give this member a folder of its own, and move the data with 'chainfire snapshot restore'"
        )
    if config.cluster.join:
        return await _joining(config.cluster, config.state_dir, tls)
    urls = config.cluster.urls_by_name() or {config.name: config.cluster.advertise or (DEFAULT_PEER_URL,)}
    members = membership.first_members(urls, config.cluster.token)
    me = next(each for each in members if each.name == config.name)
    founding = Founding(membership.cluster_id(each.member_id for each in members), me.member_id, members)
    await refuse_if_known(founding, tls)
    return founding


async def _joining(cluster: Cluster, folder: Path, tls: PeerTls | None) -> Founding:
    first = cluster.join[0]
    if first.startswith(jointoken.PREFIX):
        try:
            roster, me = jointoken.parse(first)
        except jointoken.MalformedTokenError as error:
            raise StartError(f"chainfire: cluster.join: {error}") from error
        founding = Founding(roster.cluster_id, me, roster.members, is_new=False)
        await refuse_if_known(founding, tls)
        return founding
    reasons: list[str] = []
    for url in cluster.join:
        try:
            roster = calls.parse_roster(await ask(url, CallKind.MEMBERS, b"", ASK_S, tls))
        except (Fault, calls.MalformedCallError) as error:
            reasons.append(f"{url}: {error}")
            continue
        me = _me(roster, cluster).member_id
        refuse_known(roster, roster.cluster_id, me)
        return Founding(roster.cluster_id, me, roster.members, is_new=False)
    raise StartError(f"chainfire: {folder} is empty and no member of the cluster can be asked: {'; '.join(reasons)}")


def _me(roster: Roster, cluster: Cluster) -> Member:
    """The member with our peer URLs."""
    mine = set(cluster.advertise)
    for each in roster.members:
        if set(each.peer_urls) == mine:
            return each
    known = "; ".join(f"{each.name or 'not started'} {' '.join(each.peer_urls)}" for each in roster.members)
    raise StartError(
        f"chainfire: no member of the cluster has the peer URLs {' '.join(sorted(mine))}; it has: {known}; "
        "add this one first (chainfire member add)"
    )


def unknown() -> Founding:
    """For folders that say who they are.

    Raises:
        StorageError: This one does not after all.
    """
    raise StorageError("the state folder lost its snapshot while it was opened; start again")
