"""`ultracloud.flaredb.v1.Peers`: what other stores ask of this one."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from flaredb.core import limits, region_answers
from flaredb.core.feed import Interest
from flaredb.core.mail import (
    parse_install,
    parse_mail,
    parse_regions,
    parse_step,
    parse_txns,
    render_regions,
)
from flaredb.core.placement import Step
from flaredb.core.region import Epoch, RegionId, StoreId
from flaredb.core.region_answers import render_answer
from flaredb.core.region_codec import MalformedError
from flaredb.core.region_errors import NotLeaderError, RegionMovedError
from flaredb.core.region_snapshot import Assembly, Chunk
from flaredb.core.visibility import Found, Query
from flaredb.shell import messages
from flaredb.shell.cluster_follow import Follower
from flaredb.shell.cluster_node import ClusterNode, Route
from flaredb.shell.cluster_reads import Reader
from ultracloud.api.flaredb.v1 import peers_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import DataLossError, FailedPreconditionError, PermissionDeniedError
from ultracloud.servicekit import deadlines, pki
from ultracloud.servicekit.streams import closing

CarryOut: TypeAlias = Callable[[Step], Awaitable[None]]


class PeersService:
    """Serves other stores.

    Args:
        node: This store.
        carry_out: Does a step of placement on a region that this store leads.
        heard: Told of other stores' clocks.
        is_open: Whether callers need no certificate: a server without TLS, on this machine only.
    """

    def __init__(
        self,
        node: ClusterNode,
        reader: Reader,
        follower: Follower,
        carry_out: CarryOut,
        heard: Callable[[StoreId, int], None],
        *,
        is_open: bool,
    ) -> None:
        self._node = node
        self._reader = reader
        self._follower = follower
        self._carry_out = carry_out
        self._heard = heard
        self._is_open = is_open

    async def deliver(self, requests: AsyncIterable[pb.Mail], call: Call, /) -> AsyncIterator[pb.MailTaken]:
        """Take letters until the sender goes."""
        self._check(call)
        is_first = True
        async for mail in requests:
            self._check_address(mail.to)
            if is_first:
                is_first = False
                yield pb.MailTaken()
            if mail.now_ms:
                self._heard(StoreId(mail.sender), mail.now_ms)
            if mail.letters:
                try:
                    letters = parse_mail(mail.letters, StoreId(mail.sender), self._node.store)
                except MalformedError as error:
                    raise DataLossError(f"letters of store {mail.sender} cannot be read: {error}") from error
                self._node.receive(letters)
            if self._node.space is not None:
                for frame in mail.eventual:
                    self._node.space.receive(StoreId(mail.sender), frame)

    async def install(self, requests: AsyncIterable[pb.StatePart], call: Call, /) -> AsyncIterator[pb.StateTaken]:
        """Take a region's state."""
        self._check(call)
        install, assembly = None, Assembly()
        async for part in requests:
            try:
                if install is None:
                    self._check_address(part.to)
                    install = parse_install(part.install)
                    continue
                incoming = assembly.add(Chunk(part.number, part.is_last, part.content, part.checksum))
            except MalformedError as error:
                raise DataLossError(f"a state cannot be read: {error}") from error
            if incoming is not None:
                yield pb.StateTaken(ok=self._node.receive_state(install, incoming))
                return

    async def execute(self, request: pb.ExecuteRequest, call: Call, /) -> pb.ExecuteResponse:
        """Run transactions of one region."""
        self._check(call)
        txns = tuple(limits.check_txn(txn) for txn in parse_txns(request.txns))
        try:
            outcomes = await self._node.execute(route_of(request.route), txns, request.floor)
        except (RegionMovedError, NotLeaderError) as astray:
            return pb.ExecuteResponse(astray=astray_of(astray))
        return pb.ExecuteResponse(outcomes=render_answer(outcomes))

    async def step(self, request: pb.StepRequest, call: Call, /) -> pb.StepResponse:
        """A step of a transaction over several regions."""
        self._check(call)
        try:
            answer = await self._node.step(route_of(request.route), region_answers.parse_step(request.step))
        except (RegionMovedError, NotLeaderError) as astray:
            return pb.StepResponse(astray=astray_of(astray))
        return pb.StepResponse(answer=render_answer(answer))

    async def read_keys(self, request: pb.ReadKeysRequest, call: Call, /) -> pb.ReadResponse:
        """Values of keys of one region; without any, only how far it has come."""
        self._check(call)
        namespace = limits.check_namespace(request.namespace) if request.keys else limits.Namespace("")
        with deadlines.inside(call):
            try:
                read = await self._reader.keys(
                    route_of(request.route), namespace, request.keys, request.at_version, request.now_ms
                )
            except (RegionMovedError, NotLeaderError) as astray:
                return pb.ReadResponse(astray=astray_of(astray))
        return pb.ReadResponse(kvs=map(messages.key_value, read.found), read_version=read.version)

    async def read_range(self, request: pb.ReadRangeRequest, call: Call, /) -> pb.ReadResponse:
        """A page of a range within one region."""
        self._check(call)
        query = Query(
            limits.check_namespace(request.namespace),
            request.start,
            request.end,
            request.limit,
            request.at_version,
            reverse=request.reverse,
            keys_only=request.keys_only,
            now_ms=request.now_ms,
        )
        try:
            read = await self._reader.range(route_of(request.route), query)
        except (RegionMovedError, NotLeaderError) as astray:
            return pb.ReadResponse(astray=astray_of(astray))
        return pb.ReadResponse(kvs=map(messages.key_value, read.found), read_version=read.version, more=read.more)

    async def read_names(self, request: pb.ReadNamesRequest, call: Call, /) -> pb.ReadNamesResponse:
        """Names of namespaces that have keys in a region."""
        self._check(call)
        try:
            names, version = await self._reader.names(route_of(request.route), request.after, request.limit)
        except (RegionMovedError, NotLeaderError) as astray:
            return pb.ReadNamesResponse(astray=astray_of(astray))
        return pb.ReadNamesResponse(names=names, read_version=version)

    async def follow(self, request: pb.FollowRequest, call: Call, /) -> AsyncIterator[pb.FollowResponse]:
        """Changes of one region's part of a range."""
        self._check(call)
        interest = Interest(limits.check_namespace(request.namespace), request.start, request.end)
        pages = self._follower.pages(route_of(request.route), interest, request.from_version)
        try:
            async with closing(pages) as each:
                async for page in each:
                    changes = (messages.change(version, changed) for version, changed in page.changes)
                    yield pb.FollowResponse(changes=changes, closed_version=page.position)
        except RegionMovedError as astray:
            yield pb.FollowResponse(astray=astray_of(astray))

    async def carry(self, request: pb.CarryRequest, call: Call, /) -> pb.CarryResponse:
        """A step of placement."""
        self._check(call)
        try:
            await self._carry_out(parse_step(request.step))
        except (RegionMovedError, NotLeaderError) as astray:
            return pb.CarryResponse(astray=astray_of(astray))
        return pb.CarryResponse()

    async def merge(self, request: pb.MergeRequest, call: Call, /) -> pb.MergeResponse:
        """A step of making two regions one."""
        self._check(call)
        try:
            step = region_answers.parse_merge_step(request.step)
        except MalformedError as error:
            raise DataLossError(f"a step of a merge cannot be read: {error}") from error
        try:
            answer = await self._node.merge(RegionId(request.region), step)
        except (RegionMovedError, NotLeaderError) as astray:
            return pb.MergeResponse(astray=astray_of(astray))
        return pb.MergeResponse(answer=region_answers.render_merge_answer(answer))

    def _check(self, call: Call) -> None:
        """Pass if the caller is a store of flaredb."""
        if not self._is_open and call.peer.identity != pki.service_identity("flaredb"):
            raise PermissionDeniedError(f"'{call.peer.identity}' is no store of flaredb; only those may ask this")

    def _check_address(self, to: int) -> None:
        """Pass if what came is for this store, and not for one that was here before."""
        if to != self._node.store:
            raise FailedPreconditionError(f"this is store {self._node.store}, not {to}", reason="STORE_OTHER")


def route_message(route: Route) -> pb.Route:
    """A route as it is sent."""
    epoch = route.epoch
    return pb.Route(region=route.region, epoch_version=epoch.version, epoch_conf_version=epoch.conf_version)


def route_of(message: pb.Route) -> Route:
    """A route that came."""
    return Route(RegionId(message.region), Epoch(message.epoch_version, message.epoch_conf_version))


def astray_of(error: RegionMovedError | NotLeaderError) -> pb.Astray:
    """Where a route was wrong."""
    if isinstance(error, RegionMovedError):
        return pb.Astray(regions=render_regions(error.regions))
    return pb.Astray(not_leader=True, leader=error.leader or 0)


def raise_astray(route: Route, astray: pb.Astray) -> None:
    """Raise what another store told.

    Raises:
        RegionMovedError, NotLeaderError: Always.
    """
    if astray.not_leader:
        raise NotLeaderError(route.region, StoreId(astray.leader) if astray.leader else None)
    raise RegionMovedError(route.region, parse_regions(astray.regions))


def found_of(response: pb.ReadResponse) -> list[Found]:
    """What was read elsewhere."""
    return [Found(kv.key, kv.value, kv.version, kv.expires_at_ms) for kv in response.kvs]
