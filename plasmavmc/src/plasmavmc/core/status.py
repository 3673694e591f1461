"""What is said of a VM in its conditions, from what its host reports."""

from __future__ import annotations

from dataclasses import dataclass

from plasmavmc.core.reasons import Reason, Word

_REASONS = {reason.value: reason for reason in Reason}
_NETWORK = frozenset({Reason.WAITING_FOR_NETWORK, Reason.NETWORK_LOST})


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition: its type, whether it holds, the word and the sentence why."""

    type: str
    holds: bool
    reason: str
    message: str = ""


def from_report(*, ready: bool, reason: str, message: str, has_network: bool) -> tuple[Finding, ...]:
    """The conditions that follow from one report on a VM.

    Args:
        ready: Whether it runs as wanted.
        reason: The host's word; one this server does not know becomes Unknown, with the word in the sentence.
        message: The host's sentence.
        has_network: Whether the VM has interfaces, all of whose ports are made.
    """
    known = _REASONS.get(reason)
    if known is None:
        return (Finding("Ready", ready, Word.UNKNOWN.value, f"{reason}: {message}"),)
    findings = [Finding("Ready", ready, known.value, message)]
    if known in _NETWORK:
        findings.append(Finding("NetworkReady", False, known.value, message))
    elif has_network:
        findings.append(Finding("NetworkReady", True, Word.PORTS_MADE.value))
    return tuple(findings)
