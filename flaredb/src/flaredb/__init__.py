"""flaredb: an ordered key-value store for the metadata of every tenant object.

`core` decides: how keys sort on disk, what a transaction does, which version a reader sees, what history may go.
`shell` does: RocksDB, the group commit, the change feed's waiting, the RPCs. `config` is what an operator may set,
`errors` what a caller is told, `testing` an engine in memory that passes the tests of the real one.
"""
