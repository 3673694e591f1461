"""The closed list of words that say why a VM is as it is; they travel to the control plane and into conditions."""

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
    CRASHED = "Crashed"
    PAUSED = "Paused"
