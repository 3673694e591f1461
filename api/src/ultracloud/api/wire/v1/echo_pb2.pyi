from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class EchoRequest(_message.Message):
    __slots__ = ("payload", "count", "delay_s", "fail_code")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    DELAY_S_FIELD_NUMBER: _ClassVar[int]
    FAIL_CODE_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    count: int
    delay_s: float
    fail_code: int
    def __init__(self, payload: _Optional[bytes] = ..., count: _Optional[int] = ..., delay_s: _Optional[float] = ..., fail_code: _Optional[int] = ...) -> None: ...

class EchoResponse(_message.Message):
    __slots__ = ("payload", "number")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    number: int
    def __init__(self, payload: _Optional[bytes] = ..., number: _Optional[int] = ...) -> None: ...
