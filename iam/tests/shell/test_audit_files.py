"""iam's audit trail from a refused call to a file that is verified offline."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from iam.testing import Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import audit_heads_pb2 as heads_pb
from ultracloud.api.iam.v1.audit_heads_rpc import AuditHeadsClient
from ultracloud.api.trail.v1.trail_pb2 import ExportRequest
from ultracloud.api.trail.v1.trail_rpc import TrailClient
from ultracloud.servicekit import pki
from ultracloud.servicekit.resources.export import verify


async def exported(clients: Clients) -> list[str]:
    return [line async for part in TrailClient(clients.channel).export(ExportRequest()) for line in part.lines]


def keys_of(iam: RunningIam) -> dict[str, bytes]:
    return dict(iam.source.snapshot.keys)


def run_verify(path: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "iam", "audit-verify", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stdout + done.stderr


def test_an_export_verifies_offline_and_a_changed_one_does_not(live: Live, tmp_path: Path) -> None:
    kept: dict[str, object] = {}

    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_project("acme", "blue")
        kept.update(lines=await exported(ada), keys=keys_of(iam))

    live(scenario)
    lines, keys = kept["lines"], kept["keys"]
    assert isinstance(lines, list)
    assert isinstance(keys, dict)
    path = tmp_path / "audit.jsonl"
    path.write_text("\n".join(lines) + "\n")
    ((kid, public),) = keys.items()
    code, said = run_verify(path, "--key", f"{kid}={public.hex()}")
    assert (code, "whole; 2 records of iam" in said, "a key you trust" in said) == (0, True, True)
    assert run_verify(path, "--key", f"{kid}={'00' * 32}")[0] == 1
    path.write_text("\n".join(lines[:-1]) + "\n")
    assert run_verify(path) == (1, f"{path}: BROKEN at line 4: the last line is missing: the file was cut off\n")
    path.write_text("\n".join(line.replace("organisations.create", "organisations.delete") for line in lines))
    code, said = run_verify(path)
    assert (code, "BROKEN at line" in said) == (1, True)


def test_refusals_are_in_the_trail_with_who_and_what(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        async with iam.clients(pki.node_identity("web-1")) as node:
            for _ in range(20):
                await refusal_of(node.make_project("acme", "blue"))
        found: list[dict[str, object]] = []
        for _ in range(60):
            lines = (json.loads(line) for line in await exported(ada))
            found = [line for line in lines if line.get("refusal")]
            if sum(int(str(one["count"])) for one in found) == 20:
                break
            await asyncio.sleep(0.1)
        assert {(one["principal"], one["permission"], one["resource"], one["refusal"]) for one in found} == {
            ("spiffe://ultracloud.local/node/web-1", "/ultracloud.iam.v1.Projects/Create", "acme", "PERMISSION_DENIED")
        }
        assert sum(int(str(one["count"])) for one in found) == 20
        assert verify(await exported(ada), keys_of(iam)).records == 1 + len(found)

    live(scenario)


def test_only_who_may_read_the_trail_exports_it_and_only_services_have_theirs_signed(live: Live) -> None:
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        async with iam.clients(pki.service_identity("prismnet")) as prismnet:
            assert (await refusal_of(exported(prismnet))).reason == "NO_BINDING"
            signed = await AuditHeadsClient(prismnet.channel).sign(heads_pb.SignHeadsRequest(sha256=bytes(32)))
            assert signed.public_key == keys_of(iam)[signed.kid]
            short = AuditHeadsClient(prismnet.channel).sign(heads_pb.SignHeadsRequest(sha256=bytes(31)))
            assert (await refusal_of(short)).code_name == "INVALID_ARGUMENT"
        other = AuditHeadsClient(ada.channel).sign(heads_pb.SignHeadsRequest(sha256=bytes(32)))
        assert (await refusal_of(other)).reason == "NOT_A_SERVICE"

    live(scenario)
