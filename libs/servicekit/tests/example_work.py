"""VPCs that take long to wire: an operation tells how far that is, and a finalizer keeps the record till the end."""

from collections.abc import Sequence
from dataclasses import dataclass

from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import VPCS
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit.pki import service_identity
from ultracloud.servicekit.resources import Condition, Context, Key, Kind, Resources, Truth, World
from ultracloud.servicekit.resources.operations import Operations, operation_kind
from ultracloud.servicekit.resources.places import place_of_id
from ultracloud.servicekit.resources.progress import ENDED, Cancelled, Moved, Succeeded

VPC = Kind(name="Vpc", prefix="vpc", service=VPCS, message=net.Vpc, finalizers=("wires",))
OPERATION = operation_kind("notes")
ME = spiffe_principal(service_identity("notes"))


@dataclass(frozen=True)
class Wire:
    """The next stretch of a VPC's wires; `percent` are there, and `is_unwanted` once somebody cancels or deletes."""

    vpc: str
    operation: str = ""
    percent: int = 0
    is_unwanted: bool = False


@dataclass(frozen=True)
class Unwire:
    vpc: str


def work_on(world: World, key: Key) -> list[Key]:
    """What a change concerns: of an operation, the VPC that it is about."""
    operation = world.get(OPERATION, key.id) if key.kind == OPERATION.key else None
    return [key] if operation is None else [Key(VPC.key, operation.spec.target)]


class Wiring:
    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.operations = Operations(resources, OPERATION)

    def plan(self, world: World, key: Key) -> Sequence[Wire | Unwire]:
        vpc = world.get(VPC, key.id) if key.kind == VPC.key else None
        if vpc is None:
            return []
        is_going = vpc.metadata.HasField("deleted_at")
        for one in world.having(OPERATION, "spec.target", key.id):
            if one.status.state not in ENDED:
                return [Wire(key.id, one.metadata.id, one.status.progress_percent, one.spec.cancel or is_going)]
        if is_going:
            return [Unwire(key.id)]
        return [] if vpc.status.conditions else [Wire(key.id)]

    async def act(self, action: Wire | Unwire) -> None:
        if isinstance(action, Unwire):
            await self.resources.remove_finalizer(VPC, action.vpc, "wires")
        elif not action.operation:
            vpc = await self.resources.read(VPC, action.vpc)
            assert vpc is not None
            place = place_of_id(self.resources.authority.snapshot.policy, VPC, vpc.metadata.project)
            context = Context(self.resources, ME, place, self.resources.clock)
            await self.operations.begin(context, "wire", action.vpc, idempotency_key=action.vpc)
        elif action.percent == 100 or action.is_unwanted:
            truth, word = (Truth.FALSE, "Cancelled") if action.is_unwanted else (Truth.TRUE, "Wired")
            await self.resources.write_status(VPC, action.vpc, conditions=[Condition("Ready", truth, word)])
            await self.operations.report(action.operation, Cancelled() if action.is_unwanted else Succeeded())
        else:
            await self.operations.report(action.operation, Moved(action.percent + 25, "pulling wires"))
