"""The root key: 32 bytes in a file of this host, which seal what iam keeps in the store.

The file has 64 hexadecimal digits and a line end, so that a person can copy it by hand into a safe. To replace the key,
put a new line above the old one: the first seals, each opens, and what was sealed before is sealed anew.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from iam.errors import RootKeyError
from ultracloud.servicekit.files import sync_folder

KEY_BYTES = 32
CREDENTIAL = "credential"
"""``root_key_file = "credential:root.key"`` takes what systemd has decrypted, with the TPM if it was encrypted so."""
KEYS_MAX = 4
"""Lines of the file: the key that seals, and those before it until all is sealed anew."""
FILE_BYTES_MAX = KEYS_MAX * 100


def load_root_key(path: Path) -> bytes | None:
    """The key in the file that seals; None if there is no file.

    Raises:
        RootKeyError: As `load_root_keys`.
    """
    keys = load_root_keys(path)
    return keys[0] if keys else None


def load_root_keys(path: Path) -> tuple[bytes, ...]:
    """The keys in the file, one a line: the first seals, each opens; none if there is no file.

    Raises:
        RootKeyError: Others may read the file, or a line is no root key.
    """
    given, path = path, _place(path)
    try:
        # Not blocking: a named pipe would keep us waiting for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RootKeyError(f"root_key_file {path} cannot be read: {error.strerror}") from error
    try:
        _check_owner(path, os.fstat(descriptor), is_credential=path != given)
        text = os.read(descriptor, FILE_BYTES_MAX)
    finally:
        os.close(descriptor)
    lines = text.splitlines() or [b""]
    if len(text) == FILE_BYTES_MAX or len(lines) > KEYS_MAX:
        lines = [b""]
    return tuple(_parsed(path, line) for line in lines)


def create_root_key(path: Path) -> bytes:
    """Make a new key and write it to `path`, which must not exist.

    Raises:
        RootKeyError: It cannot be written.
    """
    if _place(path) != path:
        raise RootKeyError(f"root_key_file {path.name} is systemd's to give; make it there, with create_root_key off")
    key = secrets.token_bytes(KEY_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.hex().encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
        sync_folder(path.parent)
    except OSError as error:
        raise RootKeyError(f"root_key_file {path} cannot be written: {error.strerror}") from error
    return key


def _place(path: Path) -> Path:
    """Where the file is: as named, or among what systemd gives this unit, for a name such as ``credential:root.key``.

    Raises:
        RootKeyError: systemd gives nothing.
    """
    word, separator, name = path.name.partition(":")
    if word != CREDENTIAL or not separator:
        return path
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder:
        raise RootKeyError(
            f"root_key_file is {path.name}, but systemd gave no credentials; add LoadCredentialEncrypted={name}:<file> "
            "to the unit"
        )
    return Path(folder) / name


def _check_owner(path: Path, status: os.stat_result, *, is_credential: bool) -> None:
    """Refuse what is no file, or one that others can read or replace."""
    if not stat.S_ISREG(status.st_mode):
        raise RootKeyError(f"root_key_file {path} is no file; name a file with 64 hexadecimal digits")
    # systemd guards its folder; for a unit with a user the files have an access list, which shows as the group's bits.
    if status.st_mode & (0o037 if is_credential else 0o077):
        raise RootKeyError(
            f"root_key_file {path} is open to others (mode {stat.S_IMODE(status.st_mode):04o}); run chmod 600 {path}"
        )
    if status.st_uid not in (0, os.geteuid()):
        raise RootKeyError(f"root_key_file {path} belongs to user {status.st_uid}; run chown {os.geteuid()} {path}")


def _parsed(path: Path, text: bytes) -> bytes:
    try:
        key = bytes.fromhex(text.decode().strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise RootKeyError(f"root_key_file {path} is no root key; it must hold {KEY_BYTES * 2} hexadecimal digits")
    return key
