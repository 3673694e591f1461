from __future__ import annotations

from pathlib import Path

import pytest

from flaredb.config import Config
from flaredb.core.retention import History
from ultracloud.servicekit.config import load
from ultracloud.servicekit.errors import ConfigError

IAM = "spiffe://ultracloud.local/service/iam"


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "flaredb.toml"
    path.write_text('state_dir = "state"\n' + text)
    return load(Config, path, {}, "flaredb")


def test_a_state_dir_is_all_that_must_be_set(tmp_path: Path):
    config = loaded(tmp_path, "")
    assert config.history.bounds() == History(3_600_000, 1_000_000, 512 * 1024 * 1024)
    assert (config.rocksdb.write_buffer_mib, config.rocksdb.block_cache_mib) == (8, 0)


def test_a_namespace_may_be_given_to_several(tmp_path: Path):
    assert loaded(tmp_path, f'[namespaces]\ndns = ["{IAM}"]\n').namespaces == {"dns": (IAM,)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("disk_reserv_mib = 1", "did you mean 'disk_reserve_mib'"),
        ("disk_reserve_mib = -1", "'disk_reserve_mib' is -1; accepted: 0 to"),
        ("first_version = 0", "'first_version' is 0; accepted: 1 to"),
        (
            'first_version = 7\n[cluster]\nname = "one"\n[peers]\nchainfire = "127.0.0.1:1"',
            "there are [cluster] and 'first_version'",
        ),
        ("[history]\nminutes = 0", "'minutes' is 0; accepted: 1 to 10080"),
        ("[history]\nchanges = 10", "'changes' is 10; accepted: 1000 to"),
        ("[rocksdb]\nwrite_buffer_mib = 1", "'write_buffer_mib' is 1; accepted: 4 to 512"),
        ('[rocksdb]\nblock_cache_mib = "1"', "must be a whole number"),
        (f'[namespaces]\nUPPER = ["{IAM}"]', "namespace 'UPPER' is not a name"),
        ('[namespaces]\ndns = ["iam"]', "identity 'iam' is not one of ours"),
        (f'[namespaces]\ndns = "{IAM}"', "must be a list"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_accepted(tmp_path: Path, text: str, says: str):
    with pytest.raises(ConfigError) as refusal:
        loaded(tmp_path, text + "\n")
    assert says in str(refusal.value)


def test_the_engine_is_embedded_until_a_database_is_named(tmp_path: Path):
    assert loaded(tmp_path, "").engine.postgres == ""
    text = (
        '[engine]\npostgres = "postgresql://flaredb@db1,db2:5433/cloud?sslmode=verify-full"\npassword_file = "secret"\n'
    )
    engine = loaded(tmp_path, text).engine
    assert engine.password_file == tmp_path / "secret"
    assert (engine.schema, engine.connections) == ("flaredb", 8)
    for url in (
        "postgresql:///cloud",
        "postgres://u@localhost:5432/cloud",
        "postgresql://u@/cloud?host=/run/postgresql",
    ):
        assert loaded(tmp_path, f'[engine]\npostgres = "{url}"\n').engine.postgres == url


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('postgres = "mysql://db/cloud"', "accepted: postgresql://USER@HOST:PORT/DATABASE"),
        ('postgres = "postgresql://u:hunter2@localhost/cloud"', "put that into 'password_file', or PGPASSWORD"),
        (
            'postgres = "postgresql://u@localhost/cloud?password=hunter2"',
            "put that into 'password_file', or PGPASSWORD",
        ),
        ('postgres = "postgresql://u@localhost/cloud?sslmod=require"', "has an option 'sslmod'; accepted: host, "),
        ('postgres = "postgresql://u@localhost/cloud?sslmode=yes"', "has sslmode=yes; accepted: disable, "),
        ('postgres = "postgresql://u@127.0.0.1.example/cloud"', "does not say whether to encrypt; add ?sslmode="),
        ('postgres = "postgresql://u@localhost,db/cloud"', "does not say whether to encrypt"),
        ('schema = "Flaredb"', "'schema' is 'Flaredb'; accepted: 1 to 63 lower-case letters"),
        ('schema = "pg_flaredb"', "not beginning with a digit or 'pg_'"),
        ("connections = 0", "'connections' is 0; accepted: 1 to 100"),
        ('postgre = "postgresql:///cloud"', "did you mean 'engine.postgres'"),
    ],
)
def test_a_wrong_database_is_refused_without_showing_a_password(tmp_path: Path, text: str, says: str):
    with pytest.raises(ConfigError) as refusal:
        loaded(tmp_path, f"[engine]\n{text}\n")
    assert says in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
