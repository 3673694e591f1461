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
    assert (config.rocksdb.write_buffer_mib, config.rocksdb.block_cache_mib) == (8, 16)


def test_a_namespace_may_be_given_to_several(tmp_path: Path):
    assert loaded(tmp_path, f'[namespaces]\ndns = ["{IAM}"]\n').namespaces == {"dns": (IAM,)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("disk_reserv_mib = 1", "did you mean 'disk_reserve_mib'"),
        ("disk_reserve_mib = -1", "'disk_reserve_mib' is -1; accepted: 0 to"),
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
