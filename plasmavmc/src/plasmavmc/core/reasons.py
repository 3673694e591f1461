"""The closed list of words that say why a VM, an image or a host is as it is: in reports and in conditions.

The agent's words and the server's are one list, because an agent's word becomes the condition's reason.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Why a VM is as it is on its host."""

    RUNNING = "Running"
    STOPPED = "Stopped"
    GUEST_STOPPED = "GuestStopped"
    """The guest switched itself off; a Start brings it back."""
    STARTING = "Starting"
    STOPPING = "Stopping"
    WAITING_FOR_NETWORK = "WaitingForNetwork"
    NETWORK_LOST = "NetworkLost"
    FETCHING_IMAGE = "FetchingImage"
    IMAGE_MISSING = "ImageMissing"
    IMAGE_CORRUPT = "ImageCorrupt"
    IMAGE_REFUSED = "ImageRefused"
    """The file is what was registered and is no disk image we would open."""
    DISK_FAILED = "DiskFailed"
    DEFINE_FAILED = "DefineFailed"
    START_FAILED = "StartFailed"
    STOP_FAILED = "StopFailed"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a word
    SECRET_DENIED = "SecretDenied"  # noqa: S105 - a word
    SECRET_UNAVAILABLE = "SecretUnavailable"  # noqa: S105 - a word
    """Nobody who could tell its value answers; a VM that ran since the host's last boot starts with what it had."""
    CRASHED = "Crashed"
    PAUSED = "Paused"


class Word(Enum):
    """What the server says of VMs, images and hosts."""

    PLACED = "Placed"
    NO_HOST = "NoHost"
    """No host has reported yet; it is placed when one does."""
    PORTS_MADE = "PortsMade"
    PORTS_PENDING = "PortsPending"
    PORT_REFUSED = "PortRefused"
    NO_NETWORK = "NoNetwork"
    """The VM has no interfaces, so its network is as wanted."""
    WAITING_FOR_HOST = "WaitingForHost"
    """The host has not said anything of this VM yet."""
    DELETING = "Deleting"
    UNKNOWN = "Unknown"
    """An agent newer than this server used a word it does not know; the message has it."""
    VERIFIED = "Verified"
    READING = "Reading"
    FILE_CHANGED = "FileChanged"
    FILE_UNREADABLE = "FileUnreadable"
    ACCEPTED = "Accepted"
    CONNECTED = "Connected"
    DISCONNECTED = "Disconnected"


VM_REASONS = frozenset(
    {reason.value for reason in Reason}
    | {
        word.value
        for word in (
            Word.PLACED,
            Word.NO_HOST,
            Word.PORTS_MADE,
            Word.PORTS_PENDING,
            Word.PORT_REFUSED,
            Word.NO_NETWORK,
            Word.WAITING_FOR_HOST,
            Word.DELETING,
            Word.UNKNOWN,
        )
    }
)
IMAGE_REASONS = frozenset(word.value for word in (Word.VERIFIED, Word.READING, Word.FILE_CHANGED, Word.FILE_UNREADABLE))
FLAVOUR_REASONS = frozenset({Word.ACCEPTED.value})
HOST_REASONS = frozenset({Word.CONNECTED.value, Word.DISCONNECTED.value})
