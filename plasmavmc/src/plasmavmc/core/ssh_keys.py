"""SSH public keys, as `authorized_keys` has them.

Source: RFC 4253 section 6.6, RFC 8709, RFC 5656, OpenSSH's PROTOCOL.u2f.
"""

from __future__ import annotations

import base64
import binascii

from ultracloud.base.faults import InvalidArgumentError

KEYS_MAX = 32
"""Keys of one VM; more belong into user data or a directory."""
KEY_LENGTH_MAX = 8192
"""An RSA key of 16,384 bits has under 3,000 characters; the comment may take the rest."""
TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_SHOWN = 40


def check_ssh_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Give `keys` back, each without space around it, if all are public keys.

    Raises:
        InvalidArgumentError: One is none, or there are too many. A private key is refused without repeating it.
    """
    if len(keys) > KEYS_MAX:
        raise InvalidArgumentError(f"{len(keys)} ssh_keys; at most {KEYS_MAX} are accepted", reason="SSH_KEY_INVALID")
    return tuple(_checked(index, key.strip()) for index, key in enumerate(keys))


def _checked(index: int, key: str) -> str:
    """One key."""
    accepted = f"accepted: one line, '<type> <base64> [comment]', type {', '.join(TYPES)}"
    if "PRIVATE KEY" in key:
        raise InvalidArgumentError(
            f"ssh_keys[{index}] is a private key; give the public one (the file ending in .pub), and take this one out"
            " of use",
            reason="SSH_KEY_PRIVATE",
        )
    words = key.split(maxsplit=2)
    if len(key) > KEY_LENGTH_MAX or not key.isprintable() or len(words) < 2:  # noqa: PLR2004 - type and key
        raise InvalidArgumentError(f"ssh_keys[{index}] is no public key; {accepted}", reason="SSH_KEY_INVALID")
    kind, body = words[0], words[1]
    if kind not in TYPES:
        raise InvalidArgumentError(
            f"ssh_keys[{index}] begins with {kind[:_SHOWN]!a}; {accepted}", reason="SSH_KEY_INVALID"
        )
    if _type_inside(body) != kind:
        raise InvalidArgumentError(
            f"ssh_keys[{index}] is damaged: its base64 is not that of a key of type {kind}", reason="SSH_KEY_INVALID"
        )
    return key


def _type_inside(body: str) -> str:
    """The type that the encoded key says it has; empty if it cannot be read."""
    try:
        raw = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return ""
    length = int.from_bytes(raw[:4], "big")
    # A key has more than its type.
    return raw[4 : 4 + length].decode("ascii", "replace") if len(raw) > 4 + length else ""
