"""flaredb's command line besides `serve` and `check-config`: what an operator asks a running server.

`query` lists what is stored; `explain` says what became of a key; `reasons` (why) says what refuses or slows writes;
`backup` and `restore` carry what is stored elsewhere and back; `regions` and `stores` show a cluster. All ask over
`connections`, and none but `restore` and `stores` changes anything. `decoding` turns what is stored into JSON; how
answers look: `printing`, `progress`.
"""

from __future__ import annotations

from ultracloud.servicekit.lifecycle import Command, late

COMMANDS = (
    Command("query", "list keys of a namespace, and what they hold", late("flaredb.shell.commands.query")),
    Command(
        "explain",
        "say what a key is, what became of it, and why a comparison of it fails",
        late("flaredb.shell.commands.explain"),
    ),
    Command(
        "backup",
        "write all keys as they stand at one version to a file, a pipe or S3",
        late("flaredb.shell.commands.backup"),
    ),
    Command(
        "backup-verify",
        "check a backup, and say what is in it",
        late("flaredb.shell.commands.backup", "configure_verify"),
    ),
    Command("restore", "write what a backup has into a running server", late("flaredb.shell.commands.restore")),
    Command(
        "regions", "list where the keys are, of a flaredb on several nodes", late("flaredb.shell.commands.regions")
    ),
    Command(
        "stores", "list the stores of a flaredb on several nodes, or empty one", late("flaredb.shell.commands.stores")
    ),
    Command(
        "why", "say why writes are refused or slow, and what to do about it", late("flaredb.shell.commands.reasons")
    ),
)
