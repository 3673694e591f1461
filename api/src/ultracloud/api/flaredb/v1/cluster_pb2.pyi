from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StoreState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STORE_STATE_UNSPECIFIED: _ClassVar[StoreState]
    STORE_STATE_UP: _ClassVar[StoreState]
    STORE_STATE_DOWN: _ClassVar[StoreState]
    STORE_STATE_LOST: _ClassVar[StoreState]
STORE_STATE_UNSPECIFIED: StoreState
STORE_STATE_UP: StoreState
STORE_STATE_DOWN: StoreState
STORE_STATE_LOST: StoreState

class RegionView(_message.Message):
    __slots__ = ("id", "start", "end", "version", "conf_version", "replicas", "leader", "size_bytes", "load")
    ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONF_VERSION_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    id: int
    start: bytes
    end: bytes
    version: int
    conf_version: int
    replicas: _containers.RepeatedCompositeFieldContainer[ReplicaView]
    leader: int
    size_bytes: int
    load: int
    def __init__(self, id: _Optional[int] = ..., start: _Optional[bytes] = ..., end: _Optional[bytes] = ..., version: _Optional[int] = ..., conf_version: _Optional[int] = ..., replicas: _Optional[_Iterable[_Union[ReplicaView, _Mapping]]] = ..., leader: _Optional[int] = ..., size_bytes: _Optional[int] = ..., load: _Optional[int] = ...) -> None: ...

class ReplicaView(_message.Message):
    __slots__ = ("peer", "store", "is_learner", "is_behind")
    PEER_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    IS_LEARNER_FIELD_NUMBER: _ClassVar[int]
    IS_BEHIND_FIELD_NUMBER: _ClassVar[int]
    peer: int
    store: int
    is_learner: bool
    is_behind: bool
    def __init__(self, peer: _Optional[int] = ..., store: _Optional[int] = ..., is_learner: _Optional[bool] = ..., is_behind: _Optional[bool] = ...) -> None: ...

class StoreView(_message.Message):
    __slots__ = ("id", "address", "state", "is_leaving", "silent_ms", "capacity_bytes", "used_bytes", "labels", "replicas", "leads")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    IS_LEAVING_FIELD_NUMBER: _ClassVar[int]
    SILENT_MS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    id: int
    address: str
    state: StoreState
    is_leaving: bool
    silent_ms: int
    capacity_bytes: int
    used_bytes: int
    labels: _containers.ScalarMap[str, str]
    replicas: int
    leads: int
    def __init__(self, id: _Optional[int] = ..., address: _Optional[str] = ..., state: _Optional[_Union[StoreState, str]] = ..., is_leaving: _Optional[bool] = ..., silent_ms: _Optional[int] = ..., capacity_bytes: _Optional[int] = ..., used_bytes: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., replicas: _Optional[int] = ..., leads: _Optional[int] = ...) -> None: ...

class RegionsRequest(_message.Message):
    __slots__ = ("start", "limit")
    START_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    start: bytes
    limit: int
    def __init__(self, start: _Optional[bytes] = ..., limit: _Optional[int] = ...) -> None: ...

class RegionsResponse(_message.Message):
    __slots__ = ("regions", "next_start", "troubles")
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_START_FIELD_NUMBER: _ClassVar[int]
    TROUBLES_FIELD_NUMBER: _ClassVar[int]
    regions: _containers.RepeatedCompositeFieldContainer[RegionView]
    next_start: bytes
    troubles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, regions: _Optional[_Iterable[_Union[RegionView, _Mapping]]] = ..., next_start: _Optional[bytes] = ..., troubles: _Optional[_Iterable[str]] = ...) -> None: ...

class StoresRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StoresResponse(_message.Message):
    __slots__ = ("stores", "troubles")
    STORES_FIELD_NUMBER: _ClassVar[int]
    TROUBLES_FIELD_NUMBER: _ClassVar[int]
    stores: _containers.RepeatedCompositeFieldContainer[StoreView]
    troubles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, stores: _Optional[_Iterable[_Union[StoreView, _Mapping]]] = ..., troubles: _Optional[_Iterable[str]] = ...) -> None: ...

class SetLeavingRequest(_message.Message):
    __slots__ = ("store", "is_leaving")
    STORE_FIELD_NUMBER: _ClassVar[int]
    IS_LEAVING_FIELD_NUMBER: _ClassVar[int]
    store: int
    is_leaving: bool
    def __init__(self, store: _Optional[int] = ..., is_leaving: _Optional[bool] = ...) -> None: ...

class SetLeavingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ForgetStoreRequest(_message.Message):
    __slots__ = ("store",)
    STORE_FIELD_NUMBER: _ClassVar[int]
    store: int
    def __init__(self, store: _Optional[int] = ...) -> None: ...

class ForgetStoreResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
