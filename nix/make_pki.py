"""A machine's own authority, and a folder with a certificate for each process on it: made once, kept ever after.

    ultracloud-pki --folder /var/lib/ultracloud/pki chainfire:chainfire:service/chainfire operators:root:operator/ada

Each argument is FOLDER:USER:IDENTITY; `ultracloud.cluster.pki.wanted` of a machine has those it needs. What is there
already stays as it is: the processes may have renewed it. Several machines take one authority, with --authority.
"""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from pathlib import Path

from ultracloud.base.principals import SPIFFE_PREFIX
from ultracloud.servicekit import pki


def main() -> int:
    """Make what is missing."""
    parser = argparse.ArgumentParser(prog="ultracloud-pki", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="where all of it is")
    parser.add_argument("wanted", nargs="*", metavar="FOLDER:USER:IDENTITY", help="e.g. iam:iam:service/iam")
    parser.add_argument("--authority", type=Path, help="folder of the authority, made if missing (FOLDER/authority)")
    arguments = parser.parse_args()
    authority = arguments.authority or arguments.folder / "authority"
    ca = pki.load_ca(authority) if (authority / "ca.key").exists() else pki.make_ca(authority)
    for wanted in arguments.wanted:
        name, user, identity = wanted.split(":")
        folder = arguments.folder / name
        if not (folder / f"{pki.file_stem(SPIFFE_PREFIX + identity)}.crt").exists():
            pki.issue(ca, SPIFFE_PREFIX + identity, folder)
            give(folder, user)
    return 0


def give(folder: Path, user: str) -> None:
    """Make `user` the owner of a folder and of what is in it, and let nobody else in."""
    folder.chmod(0o700)
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        sys.stderr.write(f"ultracloud-pki: no user {user} on this machine; {folder} stays yours until it is on one\n")
        return
    for path in (folder, *folder.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)


if __name__ == "__main__":
    sys.exit(main())
