"""Tenant networks: VPCs, subnets, ports, security groups.

The server decides and stores (`core`, `shell`); the agent on each host builds (`agent`). They share ids, device names
and the intent (`core.ids`, `core.intent`), and meet on the wire: ``Hosts.WatchHost`` and ``Hosts.ReportHost``.
`testing` has a kernel made of dataclasses.
"""
