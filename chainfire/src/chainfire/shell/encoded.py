"""Answers that are bytes already.

The wire asks of an answer only that it can serialise itself; protobuf objects would be made to be thrown away.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from google.protobuf.message import Message

from ultracloud.api.rpc import ServiceDescriptor


class Encoded:
    """A rendered message of any type."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """The bytes it was made of."""
        return self._content


def answering_encoded(descriptor: ServiceDescriptor, *names: str) -> ServiceDescriptor:
    """The service, with these methods answering `Encoded` instead of their own messages."""
    encoded = cast("type[Message]", Encoded)
    methods = [
        replace(method, response_type=encoded) if method.name in names else method for method in descriptor.methods
    ]
    return replace(descriptor, methods=tuple(methods))
