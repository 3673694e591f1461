"""What the agent does.

`namespaces`, `netlink`, `nft`, `sysctls`; on them `reader`, `actuator`, `kernel` (one thread), `converge` (plan, apply,
remember), `endpoints` with `dhcp` and `metadata` (what guests talk to), `intents` (from the wire), `agent` (the tasks).
"""
