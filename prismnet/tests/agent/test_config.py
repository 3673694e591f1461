from __future__ import annotations

from pathlib import Path

import pytest

from prismnet.agent.config import AgentConfig
from ultracloud.servicekit import config
from ultracloud.servicekit.errors import ConfigError

SOUND = 'host = "node-1"\nstate_dir = "/tmp/x"\n'


def loaded(tmp_path: Path, text: str) -> AgentConfig:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    return config.load(AgentConfig, path, {}, "prismnet-agent")


def test_little_is_needed(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SOUND)
    assert (settings.uplink_name, settings.mtu) == (None, 1450)
    assert str(settings.host_settings().transit) == "100.64.0.0/10"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('uplnk = "eth0"', "did you mean 'uplink'"),
        ('uplink = "a/b"', "no link's name"),
        ('uplink = "sixteen-letters-"', "1 to 15 characters"),
        ("mtu = 100", "576 to 65521"),
        ('mtu = "big"', "whole number"),
        ('transit_cidr = "100.64.0.0/16"', "/14 or larger"),
        ('transit_cidr = "here"', "here"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        loaded(tmp_path, f"{SOUND}{line}\n")


def test_a_host_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="host is empty"):
        loaded(tmp_path, 'host = ""\nstate_dir = "/tmp/x"\n')
