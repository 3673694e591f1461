"""Sealing with the root key: what every keeper of something secret in the store does it with.

The root key's file may name more than one key, one a line: the first seals, each opens. So a root key is replaced by
putting a new line above the old one; when everything has been sealed anew, the old line may go.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from iam.core.envelope import NONCE_BYTES, Context, key_id_of, root_key_id, seal, unseal
from iam.errors import RootKeyError

RootKeysSource = Callable[[], tuple[bytes, ...]]
"""Gives the root keys, the one that seals first; raises UnavailableError while there is none yet."""


class RootKeys:
    """Seals and opens with the root keys."""

    def __init__(self, source: RootKeysSource) -> None:
        self._source = source

    def seal(self, context: Context, value: bytes) -> bytes:
        """The value, sealed with the newest root key.

        Raises:
            UnavailableError: There is no root key yet.
        """
        key = self._source()[0]
        return seal(key, root_key_id(key), os.urandom(NONCE_BYTES), context, value)

    def open(self, context: Context, sealed: bytes) -> bytes:
        """What was sealed.

        Raises:
            RootKeyError: With a root key that this iam does not have.
            DataLossError: It was changed.
            UnavailableError: There is no root key yet.
        """
        wanted = key_id_of(sealed)
        for key in self._source():
            if root_key_id(key) == wanted:
                return unseal(key, context, sealed)
        raise RootKeyError(
            f"no key in root_key_file opens a sealed {context.purpose}: it needs the one with id {wanted:08x}; put it "
            "back"
        )

    def is_current(self, sealed: bytes) -> bool:
        """Whether it is sealed with the newest root key."""
        return key_id_of(sealed) == root_key_id(self._source()[0])
