"""Closing a transport that may be closing already.

Source: CPython 3.11, asyncio/sslproto.py, `_SSLProtocolTransport.close`.
"""

from __future__ import annotations

import asyncio


def shut(transport: asyncio.Transport) -> None:
    """Close a transport, once: asyncio's of TLS forgets its connection when it is closed again, and cannot abort it."""
    if not transport.is_closing():
        transport.close()
