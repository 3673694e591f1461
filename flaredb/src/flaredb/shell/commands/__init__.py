"""flaredb's command line besides `serve` and `check-config`: what an operator asks a running server.

`query` lists what is stored; `reasons` (why) says what refuses or slows writes. Both ask over `connections`, and change
nothing. `decoding` turns what is stored into JSON; how answers look: `printing`.
"""

from __future__ import annotations

from flaredb.shell.commands import query, reasons
from ultracloud.servicekit.lifecycle import Command

COMMANDS = (
    Command("query", "list keys of a namespace, and what they hold", query.configure),
    Command("why", "say why writes are refused or slow, and what to do about it", reasons.configure),
)
