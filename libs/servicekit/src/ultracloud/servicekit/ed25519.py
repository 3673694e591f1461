"""The one line that narrows a token."""

from __future__ import annotations

import os

from ultracloud.base import attenuation
from ultracloud.base.ed25519 import Ed25519
from ultracloud.base.narrowing import Narrowing


def narrow(token: str, narrowing: Narrowing, expires_at_s: int | None = None) -> str:
    """A token that leaves no more than `narrowing`, made without asking anybody.

    Raises:
        InvalidArgumentError: The token cannot be narrowed (further).
    """
    return attenuation.narrow(token, narrowing, expires_at_s, os.urandom(attenuation.KEY_BYTES), Ed25519())
