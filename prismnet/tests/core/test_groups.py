from __future__ import annotations

from dataclasses import replace

import pytest

from prismnet.core.groups import RULES_MAX, GroupRule, check_description, check_rules
from prismnet.core.intent import Direction, Protocol
from ultracloud.base.faults import InvalidArgumentError

WEB = GroupRule(Direction.INGRESS, Protocol.TCP, 80, 80, "0.0.0.0/0", "", "the web")


def test_sound_rules_pass() -> None:
    check_rules(
        [
            WEB,
            replace(WEB, port_min=0, port_max=0),
            replace(WEB, protocol=Protocol.ICMP, port_min=0, port_max=0),
            replace(WEB, protocol=Protocol.ANY, port_min=0, port_max=0, remote_cidr="", remote_group="sg"),
            replace(WEB, direction=Direction.EGRESS, port_min=1, port_max=65_535),
        ]
    )


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (replace(WEB, direction=None), "direction is missing"),
        (replace(WEB, protocol=None), "protocol is unknown"),
        (replace(WEB, remote_group="db"), "both set"),
        (replace(WEB, port_min=81), "81 to 80"),
        (replace(WEB, port_min=0), "0 to 80"),
        (replace(WEB, port_max=65_536), "80 to 65536"),
        (replace(WEB, protocol=Protocol.ICMP), "no meaning for icmp"),
        (replace(WEB, protocol=Protocol.ANY), "no meaning for any"),
        (replace(WEB, remote_cidr="10.0.0.1/24"), "did you mean 10.0.0.0/24"),
        (replace(WEB, remote_cidr="somewhere"), "no IPv4 range"),
        (replace(WEB, description="two\nlines"), "unprintable"),
        (replace(WEB, description="x" * 256), "over 255"),
    ],
)
def test_a_bad_rule_is_refused_with_its_place(rule: GroupRule, says: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        check_rules([WEB, rule])
    assert refused.value.public.startswith("rule 2: ")
    assert says in refused.value.public


def test_too_many_rules_and_bad_descriptions_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="at most 200"):
        check_rules([WEB] * (RULES_MAX + 1))
    with pytest.raises(InvalidArgumentError, match="unprintable"):
        check_description("\x00")
