from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SealedRoot(_message.Message):
    __slots__ = ("id", "certificate", "sealed_private", "created_at_ms", "unaccounted_until_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    SEALED_PRIVATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    UNACCOUNTED_UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    certificate: bytes
    sealed_private: bytes
    created_at_ms: int
    unaccounted_until_ms: int
    def __init__(self, id: _Optional[str] = ..., certificate: _Optional[bytes] = ..., sealed_private: _Optional[bytes] = ..., created_at_ms: _Optional[int] = ..., unaccounted_until_ms: _Optional[int] = ...) -> None: ...

class CaState(_message.Message):
    __slots__ = ("roots", "signing", "trust_version", "since_ms")
    ROOTS_FIELD_NUMBER: _ClassVar[int]
    SIGNING_FIELD_NUMBER: _ClassVar[int]
    TRUST_VERSION_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    roots: _containers.RepeatedCompositeFieldContainer[SealedRoot]
    signing: str
    trust_version: int
    since_ms: int
    def __init__(self, roots: _Optional[_Iterable[_Union[SealedRoot, _Mapping]]] = ..., signing: _Optional[str] = ..., trust_version: _Optional[int] = ..., since_ms: _Optional[int] = ...) -> None: ...

class IssuedCertificate(_message.Message):
    __slots__ = ("serial", "identity", "root", "not_after_ms", "trust_version", "acknowledged_at_ms", "replaces")
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    TRUST_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    REPLACES_FIELD_NUMBER: _ClassVar[int]
    serial: str
    identity: str
    root: str
    not_after_ms: int
    trust_version: int
    acknowledged_at_ms: int
    replaces: str
    def __init__(self, serial: _Optional[str] = ..., identity: _Optional[str] = ..., root: _Optional[str] = ..., not_after_ms: _Optional[int] = ..., trust_version: _Optional[int] = ..., acknowledged_at_ms: _Optional[int] = ..., replaces: _Optional[str] = ...) -> None: ...
