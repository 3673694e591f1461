"""Backups in S3, against a server of its protocol that checks signatures and has multipart uploads."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from command_line import run

from flaredb.core.backup import Head, Writer
from flaredb.core.visibility import Found
from flaredb.shell import backup_places, backup_s3
from ultracloud.servicekit.errors import ConfigError, StartError
from ultracloud.testkit.processes import Process, serve
from ultracloud.testkit.s3 import S3Server, s3_server

MIB = 1024 * 1024
BUCKET = "backups"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        os.environ.update(running.environment())
        client().create_bucket(Bucket=BUCKET)
        yield running
        for name in running.environment():
            os.environ.pop(name)


@pytest.fixture(scope="module")
def flaredb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("flaredb")
    path = folder / "flaredb.toml"
    path.write_text(f'state_dir = "{folder / "state"}"\nfirst_version = 1000\ndrain_s = 0.2\n')
    with serve("flaredb", path) as process:
        yield process


def client() -> Any:
    return botocore.session.get_session().create_client("s3")


def names() -> list[str]:
    """Objects, and uploads that were begun and not ended."""
    objects = client().list_objects_v2(Bucket=BUCKET).get("Contents", [])
    uploads = client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return [each["Key"] for each in objects] + [f"{each['Key']}?" for each in uploads]


def made(keys: int) -> bytes:
    writer = Writer(Head(900, 1, ("iam",), is_whole=True, writer="a test"))
    found = [Found(b"%04d" % n, os.urandom(1000), 1) for n in range(keys)]
    return writer.begin() + writer.records("iam", found) + writer.end()


def test_a_backup_goes_to_s3_and_comes_back(s3: S3Server, flaredb: Process, tmp_path: Path):
    (tmp_path / "small").write_bytes(made(500))
    asked = ("--endpoint", flaredb.addresses[0])
    assert run("restore", *asked, tmp_path / "small").code == 0
    assert run("backup", *asked, "--s3-endpoint", s3.url, f"s3://{BUCKET}/day/one").code == 0
    assert names() == ["day/one"]
    assert run("backup-verify", f"s3://{BUCKET}/day/one", "-o", "json").told["namespaces"]["iam"]["keys"] == 500
    for words, said in ((("--into", "copy"), "copy: written 500"), (("--replace",), "iam: written 500")):
        restored = run("restore", *asked, *words, f"s3://{BUCKET}/day/one")
        assert (restored.code, said in restored.out) == (0, True), restored.err
    client().delete_object(Bucket=BUCKET, Key="day/one")


def test_an_object_is_written_in_parts_and_read_whole(s3: S3Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backup_s3, "PART_BYTES", 5 * MIB)
    monkeypatch.setattr(backup_s3, "PARTS_A_SIZE", 2)
    pieces = [os.urandom(3 * MIB) for _ in range(9)]
    with backup_places.destination(f"s3://{BUCKET}/parts", s3.url) as destination:
        for piece in pieces:
            destination.write(piece)
        destination.finish()
    with backup_places.source(f"s3://{BUCKET}/parts", s3.url) as source:
        assert source.read(20) + source.read(100 * MIB) == b"".join(pieces)
        source.rewind()
        assert source.read(MIB) == pieces[0][:MIB]
        client().put_object(Bucket=BUCKET, Key="parts", Body=b"another")
        with pytest.raises(StartError, match="PreconditionFailed"):
            source.rewind()
    client().delete_object(Bucket=BUCKET, Key="parts")


def test_what_fails_leaves_neither_object_nor_upload(s3: S3Server, flaredb: Process):
    def write_some() -> None:
        with backup_places.destination(f"s3://{BUCKET}/broken", s3.url) as destination:
            destination.write(os.urandom(backup_s3.PART_BYTES + 1))
            assert names() == ["broken?"]
            raise StartError("enough")

    with pytest.raises(StartError, match="enough"):
        write_some()
    assert names() == []
    command = [sys.executable, "-m", "flaredb", "backup", "--endpoint", flaredb.addresses[0], f"s3://{BUCKET}/ended"]
    with subprocess.Popen([*command, "--timeout", "60"], stderr=subprocess.DEVNULL) as child:
        flaredb.signal(19)
        end = time.monotonic() + 20
        while names() != ["ended?"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        child.terminate()
        assert child.wait() == 130
        flaredb.signal(18)
    assert names() == []


def test_refusals_of_s3_are_said_in_a_sentence(s3: S3Server, flaredb: Process, monkeypatch: pytest.MonkeyPatch):
    asked = ("backup", "--endpoint", flaredb.addresses[0])
    assert f"s3://{BUCKET}/none: NoSuchKey" in run("backup-verify", f"s3://{BUCKET}/none").err
    assert "accepted: s3://BUCKET/KEY" in run(*asked, "s3://bucket").err
    with pytest.raises(ConfigError, match="S3 cannot be used"):
        backup_s3.Upload("a", "b", "no url")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert "SignatureDoesNotMatch" in run(*asked, f"s3://{BUCKET}/x").err
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    answer = run(*asked, f"s3://{BUCKET}/x")
    assert (answer.code, "Unable to locate credentials" in answer.err) == (1, True), answer.err


def test_a_server_does_not_load_the_client_of_s3():
    program = "import sys; import flaredb.__main__, flaredb.shell.server; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
