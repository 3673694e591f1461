"""chainfire's command line besides `serve` and `check-config`: what an operator does with members, files and backups.

Those that ask running members, over `connections`: `backup` (snapshot save), `members`, `reasons` (why) and `upkeep`
(endpoint, alarm, compact, defrag). Those that work on files: `backup` (snapshot status) and `restoring` (snapshot
restore) by way of `statefile`, `logs` (wal dump, verify). How answers look: `printing`.
"""

from __future__ import annotations

from ultracloud.servicekit.lifecycle import Command, late

COMMANDS = (
    Command(
        "snapshot",
        "save the state of a running member, look into what was saved, restore it",
        late("chainfire.shell.commands.backup"),
    ),
    Command(
        "member",
        "list, add, promote, update, replace and remove members; make one lead",
        late("chainfire.shell.commands.members"),
    ),
    Command(
        "why", "say why writes are refused or slow, and what to do about it", late("chainfire.shell.commands.reasons")
    ),
    Command("endpoint", "ask members how they are", late("chainfire.shell.commands.upkeep", "configure_endpoint")),
    Command(
        "alarm",
        "list alarms, or disarm them once what raised them is seen to",
        late("chainfire.shell.commands.upkeep", "configure_alarm"),
    ),
    Command(
        "compact",
        "forget what was superseded at or before a revision",
        late("chainfire.shell.commands.upkeep", "configure_compact"),
    ),
    Command(
        "defrag",
        "for scripts made for etcd: there is nothing to defragment",
        late("chainfire.shell.commands.upkeep", "configure_defrag"),
    ),
    Command("wal", "read or check the log of a stopped member", late("chainfire.shell.commands.logs")),
)
