"""``iam qr``: a token as a QR code in the terminal, for whoever types with a camera."""

from __future__ import annotations

import argparse
import io
import sys

import segno

from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.lifecycle import Command

TEXT_LENGTH_MAX = 500
"""A join token has 77 characters; much more makes a code that no terminal shows whole."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace) -> int:
    """Read a line, print its code."""
    sys.stdout.write(qr_text(sys.stdin.readline(TEXT_LENGTH_MAX + 2).strip()))
    return 0


def qr_text(text: str) -> str:
    """A QR code of half blocks, with the light border that readers need.

    Raises:
        StartError: Nothing, or too much.
    """
    if not 0 < len(text) <= TEXT_LENGTH_MAX:
        raise StartError(f"a token has 1 to {TEXT_LENGTH_MAX} characters; give it on the standard input")
    out = io.StringIO()
    segno.make_qr(text, error="m").terminal(out, compact=True)
    return out.getvalue()


COMMAND = Command("qr", "show a token, read from the standard input, as a QR code", configure)
