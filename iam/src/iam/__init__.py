"""iam: organisations, projects, service accounts, roles, bindings, tokens, and the policy that everybody decides from.

- `core`: what iam decides, without a clock, a socket or a store
- `shell`: keys, store, RPCs
- `config`, `errors`: what it is told, and what stops it from starting
- `testing`: small worlds, and a whole iam in the test's own process
"""
