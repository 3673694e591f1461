"""Environments of projects over the wire: made, bound on, named by labels, and gone with all that was bound on them."""

from iam.testing import ADA, Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.api.resource.v1.resource_pb2 import DeleteRequest
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, NotFoundError, PermissionDeniedError
from ultracloud.base.policy import decide
from ultracloud.base.principals import user_principal


async def make_blue(ada: Clients, *environments: str) -> pb.Organisation:
    """A project with environments, and two users who log in: bob and eve."""
    acme = await ada.make_organisation("acme")
    await ada.make_project("acme", "blue")
    for name in environments:
        await ada.environments.create(pb.CreateEnvironmentRequest(project="blue", name=name))
    for name in ("bob", "eve"):
        await ada.make_login("acme", name)
    return acme


async def as_user(ada: Clients, name: str) -> Clients:
    return ada.with_token((await ada.login(f"{name}@acme")).access_token)


async def make_account(clients: Clients, name: str, environment: str) -> pb.ServiceAccount:
    labels = {"environment": environment}
    return await clients.accounts.create(pb.CreateServiceAccountRequest(project="blue", name=name, labels=labels))


def test_an_admin_of_one_environment_is_none_of_another(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_blue(ada, "dev", "prod")
        await ada.make_binding("acme", "bob-dev", "admin", "user:bob@acme", "projects/blue/environments/dev")
        bob = await as_user(ada, "bob")
        await make_account(bob, "builder", "dev")
        await make_account(ada, "shop", "prod")
        assert await bob.make_token("blue", "builder")
        for name in ("shop", "absent"):
            assert isinstance(await refusal_of(bob.make_token("blue", name)), PermissionDeniedError), name
        assert isinstance(await refusal_of(make_account(bob, "other", "prod")), PermissionDeniedError)

    live(scenario)


def test_whom_the_environment_is_denied_gets_no_token_of_what_is_in_it(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_blue(ada, "prod")
        await ada.make_binding("acme", "bob-blue", "admin", "user:bob@acme", "projects/blue")
        await ada.make_binding(
            "acme", "not-prod", "admin", "user:bob@acme", "projects/blue/environments/prod", deny=True
        )
        await make_account(ada, "shop", "prod")
        bob = await as_user(ada, "bob")
        assert (await refusal_of(bob.make_token("blue", "shop"))).reason == "DENIED_BY_BINDING"
        move = pb.UpdateServiceAccountRequest(project="blue", ref="shop", update_mask=["labels"])
        assert (await refusal_of(bob.accounts.update(move))).reason == "DENIED_BY_BINDING"

    live(scenario)


def test_bindings_go_with_their_environment_and_a_new_one_of_its_name_has_none(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        acme = await make_blue(ada, "dev")
        made = await ada.make_binding("acme", "bob-dev", "admin", "user:bob@acme", "projects/blue/environments/dev")
        await ada.environments.delete(DeleteRequest(project="blue", ref="dev"))
        await iam.until(lambda policy: made.metadata.id not in policy.binding_of_id)
        again = await ada.environments.create(pb.CreateEnvironmentRequest(project="blue", name="dev"))
        place = made.spec.resource.rpartition("/")[0] + f"/{again.metadata.id}"
        bob = user_principal(made.spec.principals[0].partition(":")[2], acme.metadata.id)
        assert not decide(iam.source.snapshot.policy, bob, "iam.environments.get", place).allowed

    live(scenario)


def test_nobody_deletes_an_environment_to_be_rid_of_a_deny(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_blue(ada, "prod")
        await ada.make_role("acme", "keeper", "plasmavmc.vms.delete")
        await ada.make_binding("acme", "eve-blue", "admin", "user:eve@acme", "projects/blue")
        await ada.make_binding("acme", "kept", "keeper", "user:eve@acme", "projects/blue/environments/prod", deny=True)
        eve = await as_user(ada, "eve")
        refused = await refusal_of(eve.environments.delete(DeleteRequest(project="blue", ref="prod")))
        assert refused.reason == "ESCALATION"

    live(scenario)


def test_wrong_environments_are_told_with_what_is_accepted(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_blue(ada, "dev")
        wrong = await refusal_of(make_account(ada, "web", "prd"))
        assert isinstance(wrong, InvalidArgumentError)
        assert wrong.public.endswith("accepted: dev")
        bound = await refusal_of(ada.make_binding("acme", "x", "viewer", ADA, "projects/blue/environments/prd"))
        assert isinstance(bound, NotFoundError)
        full = await refusal_of(ada.projects.delete(DeleteRequest(project="acme", ref="blue")))
        assert isinstance(full, FailedPreconditionError)
        assert "environment dev" in full.public

    live(scenario)
