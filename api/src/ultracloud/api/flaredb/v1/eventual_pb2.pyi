from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StampedKey(_message.Message):
    __slots__ = ("key", "value", "expires_at_ms", "time", "store")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    expires_at_ms: int
    time: int
    store: int
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., expires_at_ms: _Optional[int] = ..., time: _Optional[int] = ..., store: _Optional[int] = ...) -> None: ...

class NamesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NamesResponse(_message.Message):
    __slots__ = ("namespaces",)
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    namespaces: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespaces: _Optional[_Iterable[str]] = ...) -> None: ...

class DumpRequest(_message.Message):
    __slots__ = ("namespace", "start", "limit")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    start: bytes
    limit: int
    def __init__(self, namespace: _Optional[str] = ..., start: _Optional[bytes] = ..., limit: _Optional[int] = ...) -> None: ...

class DumpResponse(_message.Message):
    __slots__ = ("keys", "more")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[StampedKey]
    more: bool
    def __init__(self, keys: _Optional[_Iterable[_Union[StampedKey, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class RestoreRequest(_message.Message):
    __slots__ = ("namespace", "keys")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    keys: _containers.RepeatedCompositeFieldContainer[StampedKey]
    def __init__(self, namespace: _Optional[str] = ..., keys: _Optional[_Iterable[_Union[StampedKey, _Mapping]]] = ...) -> None: ...

class RestoreResponse(_message.Message):
    __slots__ = ("written", "same", "later", "ended")
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    SAME_FIELD_NUMBER: _ClassVar[int]
    LATER_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    written: int
    same: int
    later: int
    ended: int
    def __init__(self, written: _Optional[int] = ..., same: _Optional[int] = ..., later: _Optional[int] = ..., ended: _Optional[int] = ...) -> None: ...
