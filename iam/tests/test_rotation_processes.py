"""Real processes that talk by mTLS all the time, while their certificates, and then the root, are replaced."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ultracloud.api.flaredb.v1 import flaredb_pb2 as kv
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.api.iam.v1 import ca_pb2 as pb
from ultracloud.api.iam.v1.ca_rpc import CaClient
from ultracloud.base.faults import Fault
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.certificates import fingerprint
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.renewal import RemoteIssuer, Renewer
from ultracloud.servicekit.replacement import read_certificate
from ultracloud.testkit.processes import Process, serve

LIFE_S = 24
ADA = pki.operator_identity("ada")


def identity_in(folder: Path, ca: pki.Ca, identity: str) -> TlsIdentity:
    """First certificates, made offline; each holder has its files to itself, since it replaces them."""
    return pki.issue(ca, identity, folder / pki.file_stem(identity), days=LIFE_S / 86_400)


def configured(folder: Path, name: str, files: TlsIdentity, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(
        f'{text}\nstate_dir = "{folder}/{name}-state"\n[listen]\nunix = "{folder}/{name}.sock"\n'
        f'[peers]\niam = "unix:{folder}/iam.sock"\nflaredb = "unix:{folder}/flaredb.sock"\n'
        f'[tls]\nrenew = true\ncertificate = "{files.certificate}"\nkey = "{files.key}"\nca = "{files.ca}"\n'
    )
    return path


@contextlib.contextmanager
def cloud(folder: Path, ca: pki.Ca) -> Iterator[tuple[Process, Process]]:
    """flaredb and iam, each renewing its own certificate, with the authority handed over to iam."""
    names = ("flaredb", "iam")
    files = {name: identity_in(folder, ca, pki.service_identity(name)) for name in names}
    namespaces = f'namespaces = {{iam = ["{pki.service_identity("iam")}"], play = ["{ADA}"]}}'
    iam_text = (
        f'root_key_file = "root.key"\ncreate_root_key = true\nadmins = ["{ADA}"]\n'
        f"certificate_ttl_s = {LIFE_S}\nca_settle_s = 6.0"
    )
    config = configured(folder, "iam", files["iam"], iam_text)
    with serve("flaredb", configured(folder, "flaredb", files["flaredb"], namespaces)) as flaredb:
        flaredb.wait_ready()
        with serve("iam", config) as iam:
            iam.wait_ready()
            command = [sys.executable, "-m", "iam", "import-ca", "--config", str(config), str(folder / "root")]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
            assert (done.returncode, done.stderr) == (0, ""), done.stderr
            yield flaredb, iam


class Caller:
    """Calls flaredb over mTLS as ada, on new connections too, and notes what fails."""

    def __init__(self, folder: Path, files: TlsIdentity) -> None:
        self.target, self.files = f"unix:{folder}/flaredb.sock", files
        self.calls, self.failures = 0, list[str]()

    async def run(self) -> None:
        kept = channels.connect(self.target, self.files, pki.service_identity("flaredb"))
        while True:
            fresh = channels.connect(self.target, self.files, pki.service_identity("flaredb"))
            for channel in (kept, fresh):
                try:
                    await KvClient(channel).get(kv.GetRequest(namespace="play", key=b"x"))
                except Fault as fault:
                    self.failures.append(str(fault))
                self.calls += 1
            await fresh.close()
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def as_ada(folder: Path, files: TlsIdentity) -> AsyncIterator[tuple[CaClient, Caller]]:
    """An operator whose own certificate is renewed as a service's is, and who calls flaredb all the time."""
    channel = channels.connect(f"unix:{folder}/iam.sock", files, pki.service_identity("iam"))
    caller = Caller(folder, files)
    renewer = Renewer(files, RemoteIssuer(channel), SystemClock())
    tasks = [asyncio.create_task(renewer.run()), asyncio.create_task(caller.run())]
    try:
        yield CaClient(channel), caller
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await channel.close()


async def until(ca: CaClient, phase: pb.CaStatus.Phase, *, waiting: int | None = None) -> pb.CaStatus:
    """Wait for a phase, and for how many it waits."""
    async with asyncio.timeout(60):
        while True:
            status = await ca.status(pb.CaStatusRequest())
            if status.phase == phase and waiting in (None, status.waiting):
                return status
            await asyncio.sleep(0.3)


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_everybody_goes_on_talking_while_the_root_is_replaced_twice(tmp_path: Path) -> None:
    root = pki.make_ca(tmp_path / "root")
    ada = identity_in(tmp_path, root, ADA)

    async def play(processes: tuple[Process, Process]) -> None:
        async with as_ada(tmp_path, ada) as (ca, caller):
            await ca.rotate_ca(pb.RotateCaRequest(action=pb.RotateCaRequest.BEGIN))
            # Of the imported root nobody knows all certificates, so an operator says when it is enough.
            for phase in (pb.CaStatus.DISTRIBUTING, pb.CaStatus.RENEWING):
                seen = await until(ca, phase, waiting=0)
                assert (seen.certificates, "made outside iam" in seen.next) == (3, True)
                await asyncio.sleep(6)
                await ca.rotate_ca(pb.RotateCaRequest(action=pb.RotateCaRequest.FORCE))
            second = (await until(ca, pb.CaStatus.STEADY)).roots[0].id
            # From now on iam knows them all, and needs nobody.
            await ca.rotate_ca(pb.RotateCaRequest(action=pb.RotateCaRequest.BEGIN))
            await until(ca, pb.CaStatus.RENEWING)
            third = (await until(ca, pb.CaStatus.STEADY)).roots[0].id
            assert len({fingerprint(root.certificate), second, third}) == 3
            assert caller.failures == []
            assert caller.calls > 200
            assert all(process.is_running for process in processes)

    with cloud(tmp_path, root) as processes:
        asyncio.run(play(processes))
    for name in ("service-flaredb", "service-iam", "operator-ada"):
        folder = tmp_path / name
        assert read_certificate(folder / "ca.crt") != root.certificate
        read_certificate(folder / f"{name}.crt").verify_directly_issued_by(read_certificate(folder / "ca.crt"))
