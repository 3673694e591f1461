import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_TYPE_UNSPECIFIED: _ClassVar[EventType]
    PUT: _ClassVar[EventType]
    DELETED: _ClassVar[EventType]
    BOOKMARK: _ClassVar[EventType]
EVENT_TYPE_UNSPECIFIED: EventType
PUT: EventType
DELETED: EventType
BOOKMARK: EventType

class OwnerReference(_message.Message):
    __slots__ = ("kind", "id", "name")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    name: str
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Metadata(_message.Message):
    __slots__ = ("id", "name", "project", "labels", "generation", "etag", "created_at", "updated_at", "deleted_at", "finalizers", "owners")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    DELETED_AT_FIELD_NUMBER: _ClassVar[int]
    FINALIZERS_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    project: str
    labels: _containers.ScalarMap[str, str]
    generation: int
    etag: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    deleted_at: _timestamp_pb2.Timestamp
    finalizers: _containers.RepeatedScalarFieldContainer[str]
    owners: _containers.RepeatedCompositeFieldContainer[OwnerReference]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., project: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., generation: _Optional[int] = ..., etag: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deleted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finalizers: _Optional[_Iterable[str]] = ..., owners: _Optional[_Iterable[_Union[OwnerReference, _Mapping]]] = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ("type", "status", "reason", "message", "last_transition_time", "observed_generation")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[Condition.Status]
        TRUE: _ClassVar[Condition.Status]
        FALSE: _ClassVar[Condition.Status]
        UNKNOWN: _ClassVar[Condition.Status]
    STATUS_UNSPECIFIED: Condition.Status
    TRUE: Condition.Status
    FALSE: Condition.Status
    UNKNOWN: Condition.Status
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LAST_TRANSITION_TIME_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    type: str
    status: Condition.Status
    reason: str
    message: str
    last_transition_time: _timestamp_pb2.Timestamp
    observed_generation: int
    def __init__(self, type: _Optional[str] = ..., status: _Optional[_Union[Condition.Status, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., last_transition_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., observed_generation: _Optional[int] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("kind", "metadata", "spec", "status", "claims", "charges")
    class ChargesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    CHARGES_FIELD_NUMBER: _ClassVar[int]
    kind: str
    metadata: Metadata
    spec: bytes
    status: bytes
    claims: _containers.RepeatedScalarFieldContainer[str]
    charges: _containers.ScalarMap[str, int]
    def __init__(self, kind: _Optional[str] = ..., metadata: _Optional[_Union[Metadata, _Mapping]] = ..., spec: _Optional[bytes] = ..., status: _Optional[bytes] = ..., claims: _Optional[_Iterable[str]] = ..., charges: _Optional[_Mapping[str, int]] = ...) -> None: ...

class RecordParts(_message.Message):
    __slots__ = ("kind", "metadata", "spec", "status", "claims", "charges")
    class ChargesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    CHARGES_FIELD_NUMBER: _ClassVar[int]
    kind: str
    metadata: bytes
    spec: bytes
    status: bytes
    claims: _containers.RepeatedScalarFieldContainer[str]
    charges: _containers.ScalarMap[str, int]
    def __init__(self, kind: _Optional[str] = ..., metadata: _Optional[bytes] = ..., spec: _Optional[bytes] = ..., status: _Optional[bytes] = ..., claims: _Optional[_Iterable[str]] = ..., charges: _Optional[_Mapping[str, int]] = ...) -> None: ...

class QuotaPart(_message.Message):
    __slots__ = ("amounts",)
    class AmountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: QuotaAmount
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[QuotaAmount, _Mapping]] = ...) -> None: ...
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    amounts: _containers.MessageMap[str, QuotaAmount]
    def __init__(self, amounts: _Optional[_Mapping[str, QuotaAmount]] = ...) -> None: ...

class QuotaAmount(_message.Message):
    __slots__ = ("used", "share", "limit_plus_one")
    USED_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_PLUS_ONE_FIELD_NUMBER: _ClassVar[int]
    used: int
    share: int
    limit_plus_one: int
    def __init__(self, used: _Optional[int] = ..., share: _Optional[int] = ..., limit_plus_one: _Optional[int] = ...) -> None: ...

class ShardOwner(_message.Message):
    __slots__ = ("replica", "election")
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    ELECTION_FIELD_NUMBER: _ClassVar[int]
    replica: str
    election: int
    def __init__(self, replica: _Optional[str] = ..., election: _Optional[int] = ...) -> None: ...

class IdempotencyRecord(_message.Message):
    __slots__ = ("request_sha256", "id", "created_at")
    REQUEST_SHA256_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    request_sha256: bytes
    id: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, request_sha256: _Optional[bytes] = ..., id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FieldChange(_message.Message):
    __slots__ = ("path", "old", "new", "secret")
    PATH_FIELD_NUMBER: _ClassVar[int]
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    path: str
    old: str
    new: str
    secret: bool
    def __init__(self, path: _Optional[str] = ..., old: _Optional[str] = ..., new: _Optional[str] = ..., secret: _Optional[bool] = ...) -> None: ...

class AuditRecord(_message.Message):
    __slots__ = ("lane", "sequence", "previous_sha256", "time", "principal", "source", "request", "permission", "resource", "generation", "changes", "refusal", "count", "last_time")
    LANE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SHA256_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    lane: int
    sequence: int
    previous_sha256: bytes
    time: _timestamp_pb2.Timestamp
    principal: str
    source: str
    request: str
    permission: str
    resource: str
    generation: int
    changes: _containers.RepeatedCompositeFieldContainer[FieldChange]
    refusal: str
    count: int
    last_time: _timestamp_pb2.Timestamp
    def __init__(self, lane: _Optional[int] = ..., sequence: _Optional[int] = ..., previous_sha256: _Optional[bytes] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., principal: _Optional[str] = ..., source: _Optional[str] = ..., request: _Optional[str] = ..., permission: _Optional[str] = ..., resource: _Optional[str] = ..., generation: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[FieldChange, _Mapping]]] = ..., refusal: _Optional[str] = ..., count: _Optional[int] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AuditMark(_message.Message):
    __slots__ = ("sequence", "sha256")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    sha256: bytes
    def __init__(self, sequence: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class ObjectEvent(_message.Message):
    __slots__ = ("reason", "message", "count", "first_time", "last_time")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    count: int
    first_time: _timestamp_pb2.Timestamp
    last_time: _timestamp_pb2.Timestamp
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., count: _Optional[int] = ..., first_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ObjectEvents(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[ObjectEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[ObjectEvent, _Mapping]]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("project", "ref")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("project", "page_size", "page_token", "label_selector", "selector", "filter")
    class LabelSelectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LABEL_SELECTOR_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    project: str
    page_size: int
    page_token: str
    label_selector: _containers.ScalarMap[str, str]
    selector: str
    filter: str
    def __init__(self, project: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., label_selector: _Optional[_Mapping[str, str]] = ..., selector: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("project", "ref", "etag")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    etag: str
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("project", "from_version", "label_selector", "selector", "filter")
    class LabelSelectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    LABEL_SELECTOR_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    project: str
    from_version: int
    label_selector: _containers.ScalarMap[str, str]
    selector: str
    filter: str
    def __init__(self, project: _Optional[str] = ..., from_version: _Optional[int] = ..., label_selector: _Optional[_Mapping[str, str]] = ..., selector: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...
