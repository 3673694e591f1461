from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SealedAccessKey(_message.Message):
    __slots__ = ("id", "project", "sealed_secret")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SEALED_SECRET_FIELD_NUMBER: _ClassVar[int]
    id: str
    project: str
    sealed_secret: bytes
    def __init__(self, id: _Optional[str] = ..., project: _Optional[str] = ..., sealed_secret: _Optional[bytes] = ...) -> None: ...

class SealedDataKey(_message.Message):
    __slots__ = ("number", "sealed_key", "created_at_ms")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SEALED_KEY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    number: int
    sealed_key: bytes
    created_at_ms: int
    def __init__(self, number: _Optional[int] = ..., sealed_key: _Optional[bytes] = ..., created_at_ms: _Optional[int] = ...) -> None: ...

class DataKeyRing(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[SealedDataKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[SealedDataKey, _Mapping]]] = ...) -> None: ...
