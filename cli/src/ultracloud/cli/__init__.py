"""The `ultracloud` command, `uc` for short: everything of a cloud from a terminal, through the gateway's REST API.

`core` decides (flags, bodies, templates, tables, retries), `shell` does (connection, credentials, files, terminal),
`commands` are what people type. `index` is made from api/openapi.json by `./dev gen`: one small file a noun, so that a
command reads only its own. Imports go one way: `__main__ > commands > shell > core`.
"""

__version__ = "0.1.0"
