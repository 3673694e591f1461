"""flaredb's command line besides `serve` and `check-config`: what an operator asks a running server.

`query` lists what is stored; `explain` says what became of a key; `reasons` (why) says what refuses or slows writes;
`backup` and `restore` carry what is stored elsewhere and back; `regions` and `stores` show a cluster. All ask over
`connections`, and none but `restore` and `stores` changes anything. `decoding` turns what is stored into JSON; how
answers look: `printing`, `progress`.
"""

from __future__ import annotations

from flaredb.shell.commands import backup, explain, query, reasons, regions, restore, stores
from ultracloud.servicekit.lifecycle import Command

COMMANDS = (
    Command("query", "list keys of a namespace, and what they hold", query.configure),
    Command("explain", "say what a key is, what became of it, and why a comparison of it fails", explain.configure),
    Command("backup", "write all keys as they stand at one version to a file, a pipe or S3", backup.configure),
    Command("backup-verify", "check a backup, and say what is in it", backup.configure_verify),
    Command("restore", "write what a backup has into a running server", restore.configure),
    Command("regions", "list where the keys are, of a flaredb on several nodes", regions.configure),
    Command("stores", "list the stores of a flaredb on several nodes, or empty one", stores.configure),
    Command("why", "say why writes are refused or slow, and what to do about it", reasons.configure),
)
