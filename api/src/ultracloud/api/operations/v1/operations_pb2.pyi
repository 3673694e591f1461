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

class OperationSpec(_message.Message):
    __slots__ = ("target", "verb", "cancel")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    target: str
    verb: str
    cancel: bool
    def __init__(self, target: _Optional[str] = ..., verb: _Optional[str] = ..., cancel: _Optional[bool] = ...) -> None: ...

class OperationStatus(_message.Message):
    __slots__ = ("conditions", "state", "progress_percent", "step", "error_reason", "error_message", "started_at", "ended_at")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[OperationStatus.State]
        PENDING: _ClassVar[OperationStatus.State]
        RUNNING: _ClassVar[OperationStatus.State]
        SUCCEEDED: _ClassVar[OperationStatus.State]
        FAILED: _ClassVar[OperationStatus.State]
        CANCELLED: _ClassVar[OperationStatus.State]
    STATE_UNSPECIFIED: OperationStatus.State
    PENDING: OperationStatus.State
    RUNNING: OperationStatus.State
    SUCCEEDED: OperationStatus.State
    FAILED: OperationStatus.State
    CANCELLED: OperationStatus.State
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_PERCENT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    state: OperationStatus.State
    progress_percent: int
    step: str
    error_reason: str
    error_message: str
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ..., state: _Optional[_Union[OperationStatus.State, str]] = ..., progress_percent: _Optional[int] = ..., step: _Optional[str] = ..., error_reason: _Optional[str] = ..., error_message: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: OperationSpec
    status: OperationStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[OperationSpec, _Mapping]] = ..., status: _Optional[_Union[OperationStatus, _Mapping]] = ...) -> None: ...

class CreateOperationRequest(_message.Message):
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
    spec: OperationSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[OperationSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateOperationRequest(_message.Message):
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
    spec: OperationSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[OperationSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListOperationsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Operation]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Operation, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class OperationEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Operation
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Operation, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class WaitOperationRequest(_message.Message):
    __slots__ = ("project", "ref", "timeout_ms")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    timeout_ms: int
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class CancelOperationRequest(_message.Message):
    __slots__ = ("project", "ref", "etag")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    etag: str
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...
