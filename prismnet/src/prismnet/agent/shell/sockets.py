"""Sockets that live in a router namespace: opened by the kernel thread on a visit, used by the event loop at home."""

from __future__ import annotations

import ctypes
import socket
import struct

from prismnet.agent.core.desired import LAN, METADATA_ADDRESS
from prismnet.agent.core.dhcp.frame import ETHERTYPE_IPV4, SERVER_PORT
from prismnet.agent.core.state import NamespaceName
from prismnet.agent.shell.namespaces import Namespaces

SO_ATTACH_FILTER = 26
METADATA_PORT = 80
BACKLOG = 128

# Classic BPF (Linux, Documentation/networking/filter.rst): whole UDP datagrams to port 67, nothing else. Without it
# every routed packet of the VPC would wake the agent.
_LOAD_HALF, _LOAD_BYTE, _LOAD_INDEX, _LOAD_HALF_AT_X = 0x28, 0x30, 0xB1, 0x48
_JUMP_EQUAL, _JUMP_SET, _RETURN = 0x15, 0x45, 0x06
DHCP_FILTER = (
    (_LOAD_HALF, 0, 0, 12),
    (_JUMP_EQUAL, 0, 8, ETHERTYPE_IPV4),
    (_LOAD_BYTE, 0, 0, 23),
    (_JUMP_EQUAL, 0, 6, socket.IPPROTO_UDP),
    (_LOAD_HALF, 0, 0, 20),
    (_JUMP_SET, 4, 0, 0x3FFF),
    (_LOAD_INDEX, 0, 0, 14),
    (_LOAD_HALF_AT_X, 0, 0, 16),
    (_JUMP_EQUAL, 0, 1, SERVER_PORT),
    (_RETURN, 0, 0, 0x40000),
    (_RETURN, 0, 0, 0),
)


def open_dhcp(namespaces: Namespaces, router: NamespaceName) -> socket.socket:
    """A raw socket on the router's `lan` that sees DHCP requests."""
    with namespaces.entered(router):
        # Protocol 0 receives nothing until bind, so nothing slips in before the filter stands.
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        program = b"".join(struct.pack("HBBI", *step) for step in DHCP_FILTER)
        buffer = ctypes.create_string_buffer(program)
        opened.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(DHCP_FILTER), ctypes.addressof(buffer))
        )
        opened.bind((LAN, ETHERTYPE_IPV4))
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


def open_metadata(namespaces: Namespaces, router: NamespaceName) -> socket.socket:
    """A listening socket at the metadata address."""
    with namespaces.entered(router):
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((str(METADATA_ADDRESS), METADATA_PORT))
        opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened
