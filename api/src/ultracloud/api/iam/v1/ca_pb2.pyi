import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ultracloud.api.resource.v1 import resource_pb2 as _resource_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JoinTokenSpec(_message.Message):
    __slots__ = ("identity", "ttl_s", "description")
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    identity: str
    ttl_s: int
    description: str
    def __init__(self, identity: _Optional[str] = ..., ttl_s: _Optional[int] = ..., description: _Optional[str] = ...) -> None: ...

class JoinTokenStatus(_message.Message):
    __slots__ = ("conditions", "expires_at", "used_at", "used_by", "used_from")
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    USED_AT_FIELD_NUMBER: _ClassVar[int]
    USED_BY_FIELD_NUMBER: _ClassVar[int]
    USED_FROM_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    expires_at: _timestamp_pb2.Timestamp
    used_at: _timestamp_pb2.Timestamp
    used_by: str
    used_from: str
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., used_by: _Optional[str] = ..., used_from: _Optional[str] = ...) -> None: ...

class JoinToken(_message.Message):
    __slots__ = ("metadata", "spec", "status", "token", "qr")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    QR_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: JoinTokenSpec
    status: JoinTokenStatus
    token: str
    qr: str
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[JoinTokenSpec, _Mapping]] = ..., status: _Optional[_Union[JoinTokenStatus, _Mapping]] = ..., token: _Optional[str] = ..., qr: _Optional[str] = ...) -> None: ...

class CreateJoinTokenRequest(_message.Message):
    __slots__ = ("project", "name", "labels", "spec", "idempotency_key")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    project: str
    name: str
    labels: _containers.ScalarMap[str, str]
    spec: JoinTokenSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[JoinTokenSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateJoinTokenRequest(_message.Message):
    __slots__ = ("project", "ref", "etag", "update_mask", "spec", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    etag: str
    update_mask: _containers.RepeatedScalarFieldContainer[str]
    spec: JoinTokenSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[JoinTokenSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListJoinTokensResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[JoinToken]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[JoinToken, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class JoinTokenEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: JoinToken
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[JoinToken, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class IssueCertificateRequest(_message.Message):
    __slots__ = ("request", "join_token", "replaces")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    JOIN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REPLACES_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    join_token: str
    replaces: str
    def __init__(self, request: _Optional[bytes] = ..., join_token: _Optional[str] = ..., replaces: _Optional[str] = ...) -> None: ...

class IssueCertificateResponse(_message.Message):
    __slots__ = ("certificate", "trust", "serial", "expires_at")
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    TRUST_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    certificate: str
    trust: Trust
    serial: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, certificate: _Optional[str] = ..., trust: _Optional[_Union[Trust, _Mapping]] = ..., serial: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Trust(_message.Message):
    __slots__ = ("roots", "version", "signing")
    ROOTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SIGNING_FIELD_NUMBER: _ClassVar[int]
    roots: str
    version: int
    signing: str
    def __init__(self, roots: _Optional[str] = ..., version: _Optional[int] = ..., signing: _Optional[str] = ...) -> None: ...

class WatchTrustRequest(_message.Message):
    __slots__ = ("known_version", "known_signing")
    KNOWN_VERSION_FIELD_NUMBER: _ClassVar[int]
    KNOWN_SIGNING_FIELD_NUMBER: _ClassVar[int]
    known_version: int
    known_signing: str
    def __init__(self, known_version: _Optional[int] = ..., known_signing: _Optional[str] = ...) -> None: ...

class AcknowledgeRequest(_message.Message):
    __slots__ = ("certificate", "trust_version")
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    TRUST_VERSION_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    trust_version: int
    def __init__(self, certificate: _Optional[bytes] = ..., trust_version: _Optional[int] = ...) -> None: ...

class AcknowledgeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RotateCaRequest(_message.Message):
    __slots__ = ("action",)
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[RotateCaRequest.Action]
        BEGIN: _ClassVar[RotateCaRequest.Action]
        FORCE: _ClassVar[RotateCaRequest.Action]
        ABORT: _ClassVar[RotateCaRequest.Action]
    ACTION_UNSPECIFIED: RotateCaRequest.Action
    BEGIN: RotateCaRequest.Action
    FORCE: RotateCaRequest.Action
    ABORT: RotateCaRequest.Action
    ACTION_FIELD_NUMBER: _ClassVar[int]
    action: RotateCaRequest.Action
    def __init__(self, action: _Optional[_Union[RotateCaRequest.Action, str]] = ...) -> None: ...

class CaStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CaRoot(_message.Message):
    __slots__ = ("id", "expires_at", "is_signing", "certificates", "unaccounted_until")
    ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    IS_SIGNING_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    UNACCOUNTED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    id: str
    expires_at: _timestamp_pb2.Timestamp
    is_signing: bool
    certificates: int
    unaccounted_until: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_signing: _Optional[bool] = ..., certificates: _Optional[int] = ..., unaccounted_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CaStatus(_message.Message):
    __slots__ = ("phase", "since", "roots", "certificates", "waiting", "waiting_for", "next")
    class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PHASE_UNSPECIFIED: _ClassVar[CaStatus.Phase]
        STEADY: _ClassVar[CaStatus.Phase]
        DISTRIBUTING: _ClassVar[CaStatus.Phase]
        RENEWING: _ClassVar[CaStatus.Phase]
    PHASE_UNSPECIFIED: CaStatus.Phase
    STEADY: CaStatus.Phase
    DISTRIBUTING: CaStatus.Phase
    RENEWING: CaStatus.Phase
    PHASE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    ROOTS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    phase: CaStatus.Phase
    since: _timestamp_pb2.Timestamp
    roots: _containers.RepeatedCompositeFieldContainer[CaRoot]
    certificates: int
    waiting: int
    waiting_for: _containers.RepeatedScalarFieldContainer[str]
    next: str
    def __init__(self, phase: _Optional[_Union[CaStatus.Phase, str]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., roots: _Optional[_Iterable[_Union[CaRoot, _Mapping]]] = ..., certificates: _Optional[int] = ..., waiting: _Optional[int] = ..., waiting_for: _Optional[_Iterable[str]] = ..., next: _Optional[str] = ...) -> None: ...
