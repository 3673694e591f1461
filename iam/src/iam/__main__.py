"""``python -m iam serve --config iam.toml``."""

from __future__ import annotations

import sys

from iam.config import IamSettings
from iam.shell.audit_files import COMMANDS as AUDIT
from iam.shell.import_ca import COMMAND as IMPORT_CA
from iam.shell.invite import COMMAND as INVITE
from iam.shell.qr import COMMAND as QR
from iam.shell.server import build
from ultracloud.servicekit import lifecycle


def main() -> int:
    """Run the command line and give its exit code."""
    return lifecycle.main("iam", IamSettings, build, commands=(IMPORT_CA, INVITE, QR, *AUDIT))


if __name__ == "__main__":
    sys.exit(main())
