"""Security-group rules as people write them, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prismnet.core.addressing import parse_range
from prismnet.core.intent import PORT_NUMBER_MAX, Direction, Protocol
from ultracloud.base.faults import InvalidArgumentError

RULES_MAX = 200
"""Of one group. A port has at most GROUPS_PER_PORT_MAX groups, so at most 3,200 rules."""
GROUPS_PER_PORT_MAX = 16
DESCRIPTION_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True)
class GroupRule:
    """One rule of a group; the other side is a range, a group's id, or (neither) anybody.

    What the caller sent may have no direction, or a protocol nobody knows: then these are None, and refused.
    """

    direction: Direction | None
    protocol: Protocol | None
    port_min: int
    port_max: int
    remote_cidr: str
    remote_group: str
    description: str


def check_rules(rules: Sequence[GroupRule]) -> None:
    """Say what is wrong with the first rule that is wrong.

    Raises:
        InvalidArgumentError: With the rule's place, counted from 1.
    """
    if len(rules) > RULES_MAX:
        raise InvalidArgumentError(f"{len(rules)} rules; at most {RULES_MAX} are accepted", reason="RULES_TOO_MANY")
    for number, rule in enumerate(rules, 1):
        complaint = _complaint(rule) or _port_complaint(rule)
        if complaint:
            raise InvalidArgumentError(f"rule {number}: {complaint}", reason="RULE_INVALID")
        if rule.remote_cidr:
            parse_range(rule.remote_cidr, f"rule {number}: remote_cidr")


def check_description(text: str, what: str = "description") -> None:
    """A description is one line of bounded length.

    Raises:
        InvalidArgumentError: It is not.
    """
    if len(text) > DESCRIPTION_LENGTH_MAX or not text.isprintable():
        raise InvalidArgumentError(
            f"{what} has over {DESCRIPTION_LENGTH_MAX} characters or unprintable ones", reason="DESCRIPTION_INVALID"
        )


def _complaint(rule: GroupRule) -> str:
    """What is wrong with a rule, empty if nothing."""
    if rule.direction is None:
        return "direction is missing; accepted: INGRESS or EGRESS"
    if rule.protocol is None:
        return "protocol is unknown; accepted: TCP, UDP, ICMP, or PROTOCOL_UNSPECIFIED for any"
    if rule.remote_cidr and rule.remote_group:
        return "remote_cidr and remote_group are both set; give one, or neither for anybody"
    if len(rule.description) > DESCRIPTION_LENGTH_MAX or not rule.description.isprintable():
        return f"description has over {DESCRIPTION_LENGTH_MAX} characters or unprintable ones"
    return ""


def _port_complaint(rule: GroupRule) -> str:
    """What is wrong with the ports of an otherwise sound rule."""
    if not (rule.port_min or rule.port_max):
        return ""
    if rule.protocol not in (Protocol.TCP, Protocol.UDP):
        shown = rule.protocol.value if rule.protocol else ""
        return f"ports have no meaning for {shown}; use TCP or UDP, or leave both at 0"
    if not 1 <= rule.port_min <= rule.port_max <= PORT_NUMBER_MAX:
        return f"ports {rule.port_min} to {rule.port_max}; accepted: 1 <= port_min <= port_max <= {PORT_NUMBER_MAX}"
    return ""
