from ultracloud.api.flaredb.v1 import flaredb_pb2 as _flaredb_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Route(_message.Message):
    __slots__ = ("region", "epoch_version", "epoch_conf_version")
    REGION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_VERSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_CONF_VERSION_FIELD_NUMBER: _ClassVar[int]
    region: int
    epoch_version: int
    epoch_conf_version: int
    def __init__(self, region: _Optional[int] = ..., epoch_version: _Optional[int] = ..., epoch_conf_version: _Optional[int] = ...) -> None: ...

class Astray(_message.Message):
    __slots__ = ("regions", "not_leader", "leader")
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    NOT_LEADER_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    regions: bytes
    not_leader: bool
    leader: int
    def __init__(self, regions: _Optional[bytes] = ..., not_leader: _Optional[bool] = ..., leader: _Optional[int] = ...) -> None: ...

class Mail(_message.Message):
    __slots__ = ("sender", "to", "letters", "eventual", "now_ms")
    SENDER_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    LETTERS_FIELD_NUMBER: _ClassVar[int]
    EVENTUAL_FIELD_NUMBER: _ClassVar[int]
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    sender: int
    to: int
    letters: bytes
    eventual: _containers.RepeatedScalarFieldContainer[bytes]
    now_ms: int
    def __init__(self, sender: _Optional[int] = ..., to: _Optional[int] = ..., letters: _Optional[bytes] = ..., eventual: _Optional[_Iterable[bytes]] = ..., now_ms: _Optional[int] = ...) -> None: ...

class MailTaken(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatePart(_message.Message):
    __slots__ = ("sender", "to", "install", "number", "is_last", "content", "checksum")
    SENDER_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    sender: int
    to: int
    install: bytes
    number: int
    is_last: bool
    content: bytes
    checksum: int
    def __init__(self, sender: _Optional[int] = ..., to: _Optional[int] = ..., install: _Optional[bytes] = ..., number: _Optional[int] = ..., is_last: _Optional[bool] = ..., content: _Optional[bytes] = ..., checksum: _Optional[int] = ...) -> None: ...

class StateTaken(_message.Message):
    __slots__ = ("ok",)
    OK_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    def __init__(self, ok: _Optional[bool] = ...) -> None: ...

class ExecuteRequest(_message.Message):
    __slots__ = ("route", "txns", "floor")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    TXNS_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    route: Route
    txns: bytes
    floor: int
    def __init__(self, route: _Optional[_Union[Route, _Mapping]] = ..., txns: _Optional[bytes] = ..., floor: _Optional[int] = ...) -> None: ...

class ExecuteResponse(_message.Message):
    __slots__ = ("astray", "outcomes")
    ASTRAY_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    astray: Astray
    outcomes: bytes
    def __init__(self, astray: _Optional[_Union[Astray, _Mapping]] = ..., outcomes: _Optional[bytes] = ...) -> None: ...

class StepRequest(_message.Message):
    __slots__ = ("route", "step")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    route: Route
    step: bytes
    def __init__(self, route: _Optional[_Union[Route, _Mapping]] = ..., step: _Optional[bytes] = ...) -> None: ...

class StepResponse(_message.Message):
    __slots__ = ("astray", "answer")
    ASTRAY_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    astray: Astray
    answer: bytes
    def __init__(self, astray: _Optional[_Union[Astray, _Mapping]] = ..., answer: _Optional[bytes] = ...) -> None: ...

class ReadKeysRequest(_message.Message):
    __slots__ = ("route", "namespace", "keys", "at_version", "now_ms")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    AT_VERSION_FIELD_NUMBER: _ClassVar[int]
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    route: Route
    namespace: str
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    at_version: int
    now_ms: int
    def __init__(self, route: _Optional[_Union[Route, _Mapping]] = ..., namespace: _Optional[str] = ..., keys: _Optional[_Iterable[bytes]] = ..., at_version: _Optional[int] = ..., now_ms: _Optional[int] = ...) -> None: ...

class ReadRangeRequest(_message.Message):
    __slots__ = ("route", "namespace", "start", "end", "limit", "reverse", "keys_only", "at_version", "now_ms")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    AT_VERSION_FIELD_NUMBER: _ClassVar[int]
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    route: Route
    namespace: str
    start: bytes
    end: bytes
    limit: int
    reverse: bool
    keys_only: bool
    at_version: int
    now_ms: int
    def __init__(self, route: _Optional[_Union[Route, _Mapping]] = ..., namespace: _Optional[str] = ..., start: _Optional[bytes] = ..., end: _Optional[bytes] = ..., limit: _Optional[int] = ..., reverse: _Optional[bool] = ..., keys_only: _Optional[bool] = ..., at_version: _Optional[int] = ..., now_ms: _Optional[int] = ...) -> None: ...

class ReadResponse(_message.Message):
    __slots__ = ("astray", "kvs", "read_version", "more")
    ASTRAY_FIELD_NUMBER: _ClassVar[int]
    KVS_FIELD_NUMBER: _ClassVar[int]
    READ_VERSION_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    astray: Astray
    kvs: _containers.RepeatedCompositeFieldContainer[_flaredb_pb2.KeyValue]
    read_version: int
    more: bool
    def __init__(self, astray: _Optional[_Union[Astray, _Mapping]] = ..., kvs: _Optional[_Iterable[_Union[_flaredb_pb2.KeyValue, _Mapping]]] = ..., read_version: _Optional[int] = ..., more: _Optional[bool] = ...) -> None: ...

class ReadNamesRequest(_message.Message):
    __slots__ = ("route", "after", "limit")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    route: Route
    after: str
    limit: int
    def __init__(self, route: _Optional[_Union[Route, _Mapping]] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ReadNamesResponse(_message.Message):
    __slots__ = ("astray", "names", "read_version")
    ASTRAY_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    READ_VERSION_FIELD_NUMBER: _ClassVar[int]
    astray: Astray
    names: _containers.RepeatedScalarFieldContainer[str]
    read_version: int
    def __init__(self, astray: _Optional[_Union[Astray, _Mapping]] = ..., names: _Optional[_Iterable[str]] = ..., read_version: _Optional[int] = ...) -> None: ...

class FollowRequest(_message.Message):
    __slots__ = ("route", "namespace", "start", "end", "from_version")
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    route: Route
    namespace: str
    start: bytes
    end: bytes
    from_version: int
    def __init__(self, route: _Optional[_Union[Route, _Mapping]] = ..., namespace: _Optional[str] = ..., start: _Optional[bytes] = ..., end: _Optional[bytes] = ..., from_version: _Optional[int] = ...) -> None: ...

class FollowResponse(_message.Message):
    __slots__ = ("astray", "changes", "closed_version")
    ASTRAY_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CLOSED_VERSION_FIELD_NUMBER: _ClassVar[int]
    astray: Astray
    changes: _containers.RepeatedCompositeFieldContainer[_flaredb_pb2.Change]
    closed_version: int
    def __init__(self, astray: _Optional[_Union[Astray, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[_flaredb_pb2.Change, _Mapping]]] = ..., closed_version: _Optional[int] = ...) -> None: ...

class CarryRequest(_message.Message):
    __slots__ = ("step",)
    STEP_FIELD_NUMBER: _ClassVar[int]
    step: bytes
    def __init__(self, step: _Optional[bytes] = ...) -> None: ...

class CarryResponse(_message.Message):
    __slots__ = ("astray",)
    ASTRAY_FIELD_NUMBER: _ClassVar[int]
    astray: Astray
    def __init__(self, astray: _Optional[_Union[Astray, _Mapping]] = ...) -> None: ...

class MergeRequest(_message.Message):
    __slots__ = ("region", "step")
    REGION_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    region: int
    step: bytes
    def __init__(self, region: _Optional[int] = ..., step: _Optional[bytes] = ...) -> None: ...

class MergeResponse(_message.Message):
    __slots__ = ("astray", "answer")
    ASTRAY_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    astray: Astray
    answer: bytes
    def __init__(self, astray: _Optional[_Union[Astray, _Mapping]] = ..., answer: _Optional[bytes] = ...) -> None: ...
