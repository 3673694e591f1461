"""REST through a gateway, on sockets, before a real service."""

from __future__ import annotations

from pathlib import Path

from fronts import VPCS_PATH, Front, play, problem


def test_a_resource_is_made_read_listed_changed_and_deleted(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        made = await front.make(egress_nat=True)
        read = (await front.client.get(f"{VPCS_PATH}/web")).json()
        assert read == made
        listed = (await front.client.get(VPCS_PATH)).json()
        assert (listed["items"], listed["next_page_token"]) == ([made], "")
        changed = await front.client.patch(
            f"{VPCS_PATH}/{made['metadata']['id']}", json={"spec": {"egress_nat": False}}
        )
        assert changed.json()["spec"] == {"cidr": "10.0.0.0/16", "egress_nat": False}
        assert (await front.client.delete(f"{VPCS_PATH}/web")).status_code == 200
        assert problem(await front.client.get(f"{VPCS_PATH}/web"))["reason"] == "RESOURCE_NOT_FOUND"

    play(tmp_path, scenario)
