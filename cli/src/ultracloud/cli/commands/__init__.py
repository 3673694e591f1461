"""What people type.

`root` is the whole tree and loads nothing until it is named: the table in `root` says which module has which command,
and every other word is a noun of the index (`nouns`, `operations`). `base` is the shape of all commands.
"""
