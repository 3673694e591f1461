"""Faults as trailers: code, sentence, and google.rpc.Status with reason, metadata and hint.

Source: google/rpc/status.proto, google/rpc/error_details.proto; gRPC's `grpc-status-details-bin`.
"""

from __future__ import annotations

from google.rpc import status_pb2  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import ErrorInfo, LocalizedMessage  # type: ignore[import-untyped]

from ultracloud.base.faults import Fault
from ultracloud.wire.core.status import trailers

DOMAIN = "ultracloud"
"""`ErrorInfo.domain`: whose reasons these are."""
HINT_LOCALE = "en"


def fault_trailers(fault: Fault) -> bytes:
    """The trailers block that tells a client of `fault`; its `detail` stays here."""
    return trailers(fault.code, fault.public, status_bytes(fault))


def status_bytes(fault: Fault) -> bytes:
    """google.rpc.Status of a fault, serialised: ErrorInfo if it has a reason, LocalizedMessage if it has a hint."""
    status = status_pb2.Status(code=fault.code, message=fault.public)
    if fault.reason or fault.metadata:
        status.details.add().Pack(ErrorInfo(reason=fault.reason, domain=DOMAIN, metadata=fault.metadata))
    if fault.hint:
        status.details.add().Pack(LocalizedMessage(locale=HINT_LOCALE, message=fault.hint))
    return bytes(status.SerializeToString())
