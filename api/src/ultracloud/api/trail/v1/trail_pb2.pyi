from google.api import annotations_pb2 as _annotations_pb2
from ultracloud.api.resource.v1 import resource_pb2 as _resource_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuditRequest(_message.Message):
    __slots__ = ("lane", "after_sequence", "page_size")
    LANE_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    lane: int
    after_sequence: int
    page_size: int
    def __init__(self, lane: _Optional[int] = ..., after_sequence: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class AuditResponse(_message.Message):
    __slots__ = ("records", "floor", "head", "lanes", "more")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedScalarFieldContainer[bytes]
    floor: _resource_pb2.AuditMark
    head: _resource_pb2.AuditMark
    lanes: int
    more: bool
    def __init__(self, records: _Optional[_Iterable[bytes]] = ..., floor: _Optional[_Union[_resource_pb2.AuditMark, _Mapping]] = ..., head: _Optional[_Union[_resource_pb2.AuditMark, _Mapping]] = ..., lanes: _Optional[int] = ..., more: _Optional[bool] = ...) -> None: ...

class EventsRequest(_message.Message):
    __slots__ = ("kind", "project", "ref")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    kind: str
    project: str
    ref: str
    def __init__(self, kind: _Optional[str] = ..., project: _Optional[str] = ..., ref: _Optional[str] = ...) -> None: ...

class EventsResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_resource_pb2.ObjectEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[_resource_pb2.ObjectEvent, _Mapping]]] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lines: _Optional[_Iterable[str]] = ...) -> None: ...
