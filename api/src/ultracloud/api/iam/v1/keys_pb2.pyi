from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SealedKey(_message.Message):
    __slots__ = ("kid", "ed25519_public", "sealed_private", "created_at_ms", "p256_public")
    KID_FIELD_NUMBER: _ClassVar[int]
    ED25519_PUBLIC_FIELD_NUMBER: _ClassVar[int]
    SEALED_PRIVATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    P256_PUBLIC_FIELD_NUMBER: _ClassVar[int]
    kid: str
    ed25519_public: bytes
    sealed_private: bytes
    created_at_ms: int
    p256_public: bytes
    def __init__(self, kid: _Optional[str] = ..., ed25519_public: _Optional[bytes] = ..., sealed_private: _Optional[bytes] = ..., created_at_ms: _Optional[int] = ..., p256_public: _Optional[bytes] = ...) -> None: ...

class KeyRing(_message.Message):
    __slots__ = ("keys", "p256_keys")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    P256_KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[SealedKey]
    p256_keys: _containers.RepeatedCompositeFieldContainer[SealedKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[SealedKey, _Mapping]]] = ..., p256_keys: _Optional[_Iterable[_Union[SealedKey, _Mapping]]] = ...) -> None: ...
