import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ultracloud.servicekit import pki


def config(tmp_path: Path, extra: str = "create_root_key = true") -> Path:
    ca = pki.make_ca(tmp_path)
    files = pki.issue(ca, pki.service_identity("iam"), tmp_path)
    path = tmp_path / "iam.toml"
    path.write_text(
        f"""
        state_dir = "state"
        root_key_file = "root.key"
        {extra}
        [tls]
        certificate = "{files.certificate.name}"
        key = "{files.key.name}"
        ca = "{files.ca.name}"
        [peers]
        flaredb = "unix:{tmp_path}/nobody.sock"
        """
    )
    return path


def run(*arguments: str, timeout_s: float = 20) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "iam", *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("IAM_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment)


def test_a_good_configuration_is_ok(tmp_path: Path):
    done = run("check-config", "--config", str(config(tmp_path, 'admins = ["spiffe://ultracloud.local/operator/ada"]')))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('admin = ["x"]', "unknown key 'admin'; did you mean 'admins'?"),
        ('admins = "ada"', "'admins' is 'ada'; it must be a list, each item a string"),
        ('admins = ["ada"]', "identity 'ada' is not one of ours"),
        ('admins = ["spiffe://ultracloud.local/service/iam"]', "accepted: spiffe://ultracloud.local/operator/<name>"),
        ("signing_key_days = 0", "signing_key_days is 0; accepted: 1 to 365"),
        ("signing_key_days = true", "'signing_key_days' is True; it must be a whole number"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(tmp_path: Path, line: str, sentence: str):
    done = run("check-config", "--config", str(config(tmp_path, line)))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_root_key_is_one_sentence_and_makes_nothing(tmp_path: Path):
    done = run("serve", "--config", str(config(tmp_path, "create_root_key = false")))
    assert done.returncode == 1
    assert "does not exist; put back the one this cloud began with, or set create_root_key = true" in done.stderr
    assert not (tmp_path / "root.key").exists()


def test_a_root_key_open_to_others_is_one_sentence(tmp_path: Path):
    path = config(tmp_path)
    (tmp_path / "root.key").write_text("ab" * 32)
    (tmp_path / "root.key").chmod(0o644)
    done = run("serve", "--config", str(path))
    assert done.returncode == 1
    assert "open to others (mode 0644); run chmod 600" in done.stderr


def test_iam_serves_without_flaredb_and_ends_when_asked(tmp_path: Path):
    command = [sys.executable, "-m", "iam", "serve", "--config", str(config(tmp_path))]
    log = tmp_path / "iam.log"
    environment = {**os.environ, "IAM_LOG__FILE": str(log)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as iam:
        try:
            for _ in range(200):
                if log.exists() and "waiting for" in log.read_text():
                    break
                iam.poll()
                if iam.returncode is not None:
                    break
                signal.sigtimedwait([], 0.05)
            assert "waiting for flaredb, a policy, signing keys" in log.read_text()
        finally:
            iam.send_signal(signal.SIGTERM)
        out, _ = iam.communicate(timeout=10)
    assert (iam.returncode, out) == (0, "")
    assert not (tmp_path / "root.key").exists()
