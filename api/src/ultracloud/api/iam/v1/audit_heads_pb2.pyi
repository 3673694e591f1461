from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class SignHeadsRequest(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    def __init__(self, sha256: _Optional[bytes] = ...) -> None: ...

class SignHeadsResponse(_message.Message):
    __slots__ = ("kid", "signature", "signed_at_s", "public_key")
    KID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    SIGNED_AT_S_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    kid: str
    signature: bytes
    signed_at_s: int
    public_key: bytes
    def __init__(self, kid: _Optional[str] = ..., signature: _Optional[bytes] = ..., signed_at_s: _Optional[int] = ..., public_key: _Optional[bytes] = ...) -> None: ...
