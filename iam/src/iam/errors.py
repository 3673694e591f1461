"""What stops iam from starting, besides a wrong configuration: its keys cannot be had."""

from __future__ import annotations

from ultracloud.servicekit.errors import StartError


class RootKeyError(StartError):
    """The root key file is missing, unsafe or wrong, or does not open what was sealed with it."""
