"""``iam audit-export`` and ``iam audit-verify``: an audit trail as a file, and whether it is as it was written.

Verifying needs nothing but the file, and, to know that it was this cloud's iam that signed, keys kept from before.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sys
from collections.abc import Mapping
from pathlib import Path

from ultracloud.api.trail.v1.trail_pb2 import ExportRequest
from ultracloud.api.trail.v1.trail_rpc import TrailClient
from ultracloud.base.faults import Fault
from ultracloud.servicekit import channels, pki
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.lifecycle import Command
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.servicekit.resources.export import BrokenExportError, verify

KEY_HEX = 64


def configure_export(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``audit-export``."""
    parser.add_argument("--service", default="iam", help="whose trail (iam)")
    parser.add_argument("--target", required=True, metavar="HOST:PORT", help="where that service listens")
    for name in ("certificate", "key", "ca"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="of an operator who may read the trail")
    parser.set_defaults(run=run_export)


def configure_verify(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``audit-verify``."""
    parser.add_argument("file", type=Path, help="as audit-export has printed it")
    about = "a public key of iam that you trust; may be given several times"
    parser.add_argument("--key", action="append", default=[], metavar="KID=HEX", help=about)
    parser.set_defaults(run=run_verify)


def run_export(arguments: argparse.Namespace) -> int:
    """Print the lines."""
    identity = TlsIdentity(arguments.certificate, arguments.key, arguments.ca)
    try:
        asyncio.run(_export(arguments.target, arguments.service, identity))
    except Fault as error:
        raise StartError(f"the trail of {arguments.service} cannot be exported: {error}") from error
    return 0


async def _export(target: str, service: str, identity: TlsIdentity) -> None:
    channel = channels.connect(target, identity, pki.service_identity(service))
    try:
        async for part in TrailClient(channel).export(ExportRequest()):
            sys.stdout.writelines(f"{line}\n" for line in part.lines)
    finally:
        await channel.close()


def run_verify(arguments: argparse.Namespace) -> int:
    """Say what the file is: 0 if it is whole, 1 with the first place that is not."""
    keys = _keys(arguments.key)
    try:
        with arguments.file.open(encoding="utf-8") as lines:
            found = verify(lines, keys)
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{arguments.file} cannot be read: {error}") from error
    except BrokenExportError as error:
        sys.stdout.write(f"{arguments.file}: BROKEN at {error}\n")
        return 1
    moment = dt.datetime.fromtimestamp(found.signature.signed_at_s, dt.UTC).isoformat()
    key = f"{found.signature.kid}={found.signature.public_key.hex()}"
    believed = "a key you trust" if found.is_key_known else f"{key}, which you must know to be iam's (--key)"
    sys.stdout.write(
        f"{arguments.file}: whole; {found.records} records of {found.service}, signed {moment} with {believed}\n"
    )
    return 0


def _keys(given: list[str]) -> Mapping[str, bytes]:
    """Keys by kid.

    Raises:
        StartError: One is none.
    """
    keys: dict[str, bytes] = {}
    for text in given:
        kid, _, raw = text.partition("=")
        try:
            keys[kid] = bytes.fromhex(raw)
        except ValueError:
            raw = ""
        if not kid or len(raw) != KEY_HEX:
            raise StartError(f"--key {text[:100]!a} is none; accepted: <kid>=<{KEY_HEX} hexadecimal digits>")
    return keys


COMMANDS = (
    Command("audit-export", "print a service's audit trail as lines that verify themselves", configure_export),
    Command("audit-verify", "verify such a file, offline", configure_verify),
)
