"""What the agent decides, without I/O.

`state` (the kernel's network in our words), `desired` (an intent as a state), `host_ruleset` (with `bridge_table`,
`inet_table`, `group_chains`) and `router_ruleset` (as nftables text, by `nft_text`), `planner` and `actions` (what
leads from one state to another), `dhcp` (a server as a function), `http1` (heads for the metadata proxy), `reports`
(what the server is told).
"""
