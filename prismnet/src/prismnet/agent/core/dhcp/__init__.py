"""DHCPv4 as bytes in, bytes out.

`frame` (Ethernet, IPv4, UDP), `message` (BOOTP and options), `server` (who gets what).
"""
