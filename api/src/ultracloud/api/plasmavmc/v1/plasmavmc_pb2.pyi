import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ultracloud.api.iam.v1 import secrets_pb2 as _secrets_pb2
from ultracloud.api.resource.v1 import resource_pb2 as _resource_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PowerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POWER_STATE_UNSPECIFIED: _ClassVar[PowerState]
    RUNNING: _ClassVar[PowerState]
    STOPPED: _ClassVar[PowerState]
POWER_STATE_UNSPECIFIED: PowerState
RUNNING: PowerState
STOPPED: PowerState

class ImageSpec(_message.Message):
    __slots__ = ("format", "disk_url", "kernel_url", "initrd_url", "cmdline", "public")
    class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FORMAT_UNSPECIFIED: _ClassVar[ImageSpec.Format]
        QCOW2: _ClassVar[ImageSpec.Format]
        RAW: _ClassVar[ImageSpec.Format]
        DIRECT: _ClassVar[ImageSpec.Format]
    FORMAT_UNSPECIFIED: ImageSpec.Format
    QCOW2: ImageSpec.Format
    RAW: ImageSpec.Format
    DIRECT: ImageSpec.Format
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    DISK_URL_FIELD_NUMBER: _ClassVar[int]
    KERNEL_URL_FIELD_NUMBER: _ClassVar[int]
    INITRD_URL_FIELD_NUMBER: _ClassVar[int]
    CMDLINE_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_FIELD_NUMBER: _ClassVar[int]
    format: ImageSpec.Format
    disk_url: str
    kernel_url: str
    initrd_url: str
    cmdline: str
    public: bool
    def __init__(self, format: _Optional[_Union[ImageSpec.Format, str]] = ..., disk_url: _Optional[str] = ..., kernel_url: _Optional[str] = ..., initrd_url: _Optional[str] = ..., cmdline: _Optional[str] = ..., public: _Optional[bool] = ...) -> None: ...

class ImageStatus(_message.Message):
    __slots__ = ("conditions", "disk_sha256", "kernel_sha256", "initrd_sha256", "size_bytes", "virtual_size_bytes")
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    DISK_SHA256_FIELD_NUMBER: _ClassVar[int]
    KERNEL_SHA256_FIELD_NUMBER: _ClassVar[int]
    INITRD_SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    disk_sha256: str
    kernel_sha256: str
    initrd_sha256: str
    size_bytes: int
    virtual_size_bytes: int
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ..., disk_sha256: _Optional[str] = ..., kernel_sha256: _Optional[str] = ..., initrd_sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., virtual_size_bytes: _Optional[int] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: ImageSpec
    status: ImageStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[ImageSpec, _Mapping]] = ..., status: _Optional[_Union[ImageStatus, _Mapping]] = ...) -> None: ...

class CreateImageRequest(_message.Message):
    __slots__ = ("project", "name", "labels", "spec", "idempotency_key")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    project: str
    name: str
    labels: _containers.ScalarMap[str, str]
    spec: ImageSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[ImageSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateImageRequest(_message.Message):
    __slots__ = ("project", "ref", "etag", "update_mask", "spec", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    etag: str
    update_mask: _containers.RepeatedScalarFieldContainer[str]
    spec: ImageSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[ImageSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListImagesResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Image]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Image, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ImageEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Image
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Image, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class FlavourSpec(_message.Message):
    __slots__ = ("vcpus", "memory_mib", "disk_gib", "public")
    VCPUS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MIB_FIELD_NUMBER: _ClassVar[int]
    DISK_GIB_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_FIELD_NUMBER: _ClassVar[int]
    vcpus: int
    memory_mib: int
    disk_gib: int
    public: bool
    def __init__(self, vcpus: _Optional[int] = ..., memory_mib: _Optional[int] = ..., disk_gib: _Optional[int] = ..., public: _Optional[bool] = ...) -> None: ...

class FlavourStatus(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ...) -> None: ...

class Flavour(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: FlavourSpec
    status: FlavourStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[FlavourSpec, _Mapping]] = ..., status: _Optional[_Union[FlavourStatus, _Mapping]] = ...) -> None: ...

class CreateFlavourRequest(_message.Message):
    __slots__ = ("project", "name", "labels", "spec", "idempotency_key")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    project: str
    name: str
    labels: _containers.ScalarMap[str, str]
    spec: FlavourSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[FlavourSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateFlavourRequest(_message.Message):
    __slots__ = ("project", "ref", "etag", "update_mask", "spec", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    etag: str
    update_mask: _containers.RepeatedScalarFieldContainer[str]
    spec: FlavourSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[FlavourSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListFlavoursResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Flavour]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Flavour, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class FlavourEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Flavour
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Flavour, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class Nic(_message.Message):
    __slots__ = ("subnet", "security_groups", "address")
    SUBNET_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUPS_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    subnet: str
    security_groups: _containers.RepeatedScalarFieldContainer[str]
    address: str
    def __init__(self, subnet: _Optional[str] = ..., security_groups: _Optional[_Iterable[str]] = ..., address: _Optional[str] = ...) -> None: ...

class NicStatus(_message.Message):
    __slots__ = ("port", "address", "mac", "device_name")
    PORT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    DEVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    port: str
    address: str
    mac: str
    device_name: str
    def __init__(self, port: _Optional[str] = ..., address: _Optional[str] = ..., mac: _Optional[str] = ..., device_name: _Optional[str] = ...) -> None: ...

class PowerRequest(_message.Message):
    __slots__ = ("project", "ref", "etag", "force")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    etag: str
    force: bool
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class ConsoleInput(_message.Message):
    __slots__ = ("project", "ref", "backlog_bytes", "read_only", "no_follow", "keys")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_BYTES_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    NO_FOLLOW_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    backlog_bytes: int
    read_only: bool
    no_follow: bool
    keys: bytes
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., backlog_bytes: _Optional[int] = ..., read_only: _Optional[bool] = ..., no_follow: _Optional[bool] = ..., keys: _Optional[bytes] = ...) -> None: ...

class ConsoleOutput(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: bytes
    def __init__(self, text: _Optional[bytes] = ...) -> None: ...

class VmVariable(_message.Message):
    __slots__ = ("name", "value", "secret")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    secret: _secrets_pb2.SecretRef
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., secret: _Optional[_Union[_secrets_pb2.SecretRef, _Mapping]] = ...) -> None: ...

class VmSpec(_message.Message):
    __slots__ = ("image", "flavour", "vcpus", "memory_mib", "disk_gib", "nics", "ssh_keys", "user_data", "power", "reboot_count", "force", "user_data_secret", "variables", "service_account")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    FLAVOUR_FIELD_NUMBER: _ClassVar[int]
    VCPUS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MIB_FIELD_NUMBER: _ClassVar[int]
    DISK_GIB_FIELD_NUMBER: _ClassVar[int]
    NICS_FIELD_NUMBER: _ClassVar[int]
    SSH_KEYS_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    REBOOT_COUNT_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_SECRET_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    image: str
    flavour: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    nics: _containers.RepeatedCompositeFieldContainer[Nic]
    ssh_keys: _containers.RepeatedScalarFieldContainer[str]
    user_data: str
    power: PowerState
    reboot_count: int
    force: bool
    user_data_secret: _secrets_pb2.SecretRef
    variables: _containers.RepeatedCompositeFieldContainer[VmVariable]
    service_account: str
    def __init__(self, image: _Optional[str] = ..., flavour: _Optional[str] = ..., vcpus: _Optional[int] = ..., memory_mib: _Optional[int] = ..., disk_gib: _Optional[int] = ..., nics: _Optional[_Iterable[_Union[Nic, _Mapping]]] = ..., ssh_keys: _Optional[_Iterable[str]] = ..., user_data: _Optional[str] = ..., power: _Optional[_Union[PowerState, str]] = ..., reboot_count: _Optional[int] = ..., force: _Optional[bool] = ..., user_data_secret: _Optional[_Union[_secrets_pb2.SecretRef, _Mapping]] = ..., variables: _Optional[_Iterable[_Union[VmVariable, _Mapping]]] = ..., service_account: _Optional[str] = ...) -> None: ...

class VmStatus(_message.Message):
    __slots__ = ("conditions", "host", "power", "nics", "accelerator", "reboot_count")
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    NICS_FIELD_NUMBER: _ClassVar[int]
    ACCELERATOR_FIELD_NUMBER: _ClassVar[int]
    REBOOT_COUNT_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    host: str
    power: PowerState
    nics: _containers.RepeatedCompositeFieldContainer[NicStatus]
    accelerator: str
    reboot_count: int
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ..., host: _Optional[str] = ..., power: _Optional[_Union[PowerState, str]] = ..., nics: _Optional[_Iterable[_Union[NicStatus, _Mapping]]] = ..., accelerator: _Optional[str] = ..., reboot_count: _Optional[int] = ...) -> None: ...

class Vm(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: VmSpec
    status: VmStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[VmSpec, _Mapping]] = ..., status: _Optional[_Union[VmStatus, _Mapping]] = ...) -> None: ...

class CreateVmRequest(_message.Message):
    __slots__ = ("project", "name", "labels", "spec", "idempotency_key")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    project: str
    name: str
    labels: _containers.ScalarMap[str, str]
    spec: VmSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[VmSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateVmRequest(_message.Message):
    __slots__ = ("project", "ref", "etag", "update_mask", "spec", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    etag: str
    update_mask: _containers.RepeatedScalarFieldContainer[str]
    spec: VmSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[VmSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListVmsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Vm]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Vm, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class VmEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Vm
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Vm, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class HostSpec(_message.Message):
    __slots__ = ("cordoned",)
    CORDONED_FIELD_NUMBER: _ClassVar[int]
    cordoned: bool
    def __init__(self, cordoned: _Optional[bool] = ...) -> None: ...

class HostStatus(_message.Message):
    __slots__ = ("conditions", "capacity", "console_address")
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    capacity: HostCapacity
    console_address: str
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ..., capacity: _Optional[_Union[HostCapacity, _Mapping]] = ..., console_address: _Optional[str] = ...) -> None: ...

class Host(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: HostSpec
    status: HostStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[HostSpec, _Mapping]] = ..., status: _Optional[_Union[HostStatus, _Mapping]] = ...) -> None: ...

class CreateHostRequest(_message.Message):
    __slots__ = ("project", "name", "labels", "spec", "idempotency_key")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    project: str
    name: str
    labels: _containers.ScalarMap[str, str]
    spec: HostSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[HostSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateHostRequest(_message.Message):
    __slots__ = ("project", "ref", "etag", "update_mask", "spec", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    project: str
    ref: str
    etag: str
    update_mask: _containers.RepeatedScalarFieldContainer[str]
    spec: HostSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[HostSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListHostsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Host]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Host, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class HostEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Host
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Host, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class HostFile(_message.Message):
    __slots__ = ("url", "sha256")
    URL_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    url: str
    sha256: str
    def __init__(self, url: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class HostNic(_message.Message):
    __slots__ = ("port", "address", "mac", "device_name")
    PORT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    DEVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    port: str
    address: str
    mac: str
    device_name: str
    def __init__(self, port: _Optional[str] = ..., address: _Optional[str] = ..., mac: _Optional[str] = ..., device_name: _Optional[str] = ...) -> None: ...

class HostVm(_message.Message):
    __slots__ = ("id", "name", "project", "generation", "vcpus", "memory_mib", "disk_gib", "image_format", "disk", "kernel", "initrd", "cmdline", "nics", "ssh_keys", "user_data", "power", "reboot_count", "force", "user_data_secret", "variables")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    VCPUS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MIB_FIELD_NUMBER: _ClassVar[int]
    DISK_GIB_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    DISK_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    INITRD_FIELD_NUMBER: _ClassVar[int]
    CMDLINE_FIELD_NUMBER: _ClassVar[int]
    NICS_FIELD_NUMBER: _ClassVar[int]
    SSH_KEYS_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    REBOOT_COUNT_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_SECRET_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    project: str
    generation: int
    vcpus: int
    memory_mib: int
    disk_gib: int
    image_format: ImageSpec.Format
    disk: HostFile
    kernel: HostFile
    initrd: HostFile
    cmdline: str
    nics: _containers.RepeatedCompositeFieldContainer[HostNic]
    ssh_keys: _containers.RepeatedScalarFieldContainer[str]
    user_data: str
    power: PowerState
    reboot_count: int
    force: bool
    user_data_secret: _secrets_pb2.SecretRef
    variables: _containers.RepeatedCompositeFieldContainer[VmVariable]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., project: _Optional[str] = ..., generation: _Optional[int] = ..., vcpus: _Optional[int] = ..., memory_mib: _Optional[int] = ..., disk_gib: _Optional[int] = ..., image_format: _Optional[_Union[ImageSpec.Format, str]] = ..., disk: _Optional[_Union[HostFile, _Mapping]] = ..., kernel: _Optional[_Union[HostFile, _Mapping]] = ..., initrd: _Optional[_Union[HostFile, _Mapping]] = ..., cmdline: _Optional[str] = ..., nics: _Optional[_Iterable[_Union[HostNic, _Mapping]]] = ..., ssh_keys: _Optional[_Iterable[str]] = ..., user_data: _Optional[str] = ..., power: _Optional[_Union[PowerState, str]] = ..., reboot_count: _Optional[int] = ..., force: _Optional[bool] = ..., user_data_secret: _Optional[_Union[_secrets_pb2.SecretRef, _Mapping]] = ..., variables: _Optional[_Iterable[_Union[VmVariable, _Mapping]]] = ...) -> None: ...

class HostIntent(_message.Message):
    __slots__ = ("host", "generation", "vms")
    HOST_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    VMS_FIELD_NUMBER: _ClassVar[int]
    host: str
    generation: int
    vms: _containers.RepeatedCompositeFieldContainer[HostVm]
    def __init__(self, host: _Optional[str] = ..., generation: _Optional[int] = ..., vms: _Optional[_Iterable[_Union[HostVm, _Mapping]]] = ...) -> None: ...

class WatchHostRequest(_message.Message):
    __slots__ = ("host", "known_generation")
    HOST_FIELD_NUMBER: _ClassVar[int]
    KNOWN_GENERATION_FIELD_NUMBER: _ClassVar[int]
    host: str
    known_generation: int
    def __init__(self, host: _Optional[str] = ..., known_generation: _Optional[int] = ...) -> None: ...

class HostCapacity(_message.Message):
    __slots__ = ("vcpus", "memory_mib", "disk_gib", "accelerator")
    VCPUS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_MIB_FIELD_NUMBER: _ClassVar[int]
    DISK_GIB_FIELD_NUMBER: _ClassVar[int]
    ACCELERATOR_FIELD_NUMBER: _ClassVar[int]
    vcpus: int
    memory_mib: int
    disk_gib: int
    accelerator: str
    def __init__(self, vcpus: _Optional[int] = ..., memory_mib: _Optional[int] = ..., disk_gib: _Optional[int] = ..., accelerator: _Optional[str] = ...) -> None: ...

class VmReport(_message.Message):
    __slots__ = ("id", "generation", "power", "reboot_count", "ready", "reason", "message")
    ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    REBOOT_COUNT_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    generation: int
    power: PowerState
    reboot_count: int
    ready: bool
    reason: str
    message: str
    def __init__(self, id: _Optional[str] = ..., generation: _Optional[int] = ..., power: _Optional[_Union[PowerState, str]] = ..., reboot_count: _Optional[int] = ..., ready: _Optional[bool] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ReportHostRequest(_message.Message):
    __slots__ = ("host", "generation", "capacity", "console_address", "vms")
    HOST_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    CONSOLE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    VMS_FIELD_NUMBER: _ClassVar[int]
    host: str
    generation: int
    capacity: HostCapacity
    console_address: str
    vms: _containers.RepeatedCompositeFieldContainer[VmReport]
    def __init__(self, host: _Optional[str] = ..., generation: _Optional[int] = ..., capacity: _Optional[_Union[HostCapacity, _Mapping]] = ..., console_address: _Optional[str] = ..., vms: _Optional[_Iterable[_Union[VmReport, _Mapping]]] = ...) -> None: ...

class ReportHostResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResolveVmSecretsRequest(_message.Message):
    __slots__ = ("host", "vm")
    HOST_FIELD_NUMBER: _ClassVar[int]
    VM_FIELD_NUMBER: _ClassVar[int]
    host: str
    vm: str
    def __init__(self, host: _Optional[str] = ..., vm: _Optional[str] = ...) -> None: ...

class ResolvedVmSecret(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: bytes
    def __init__(self, name: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class ResolveVmSecretsResponse(_message.Message):
    __slots__ = ("secrets",)
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    secrets: _containers.RepeatedCompositeFieldContainer[ResolvedVmSecret]
    def __init__(self, secrets: _Optional[_Iterable[_Union[ResolvedVmSecret, _Mapping]]] = ...) -> None: ...

class IssueWorkloadTokenRequest(_message.Message):
    __slots__ = ("host", "vm", "audience", "ttl_s")
    HOST_FIELD_NUMBER: _ClassVar[int]
    VM_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    host: str
    vm: str
    audience: str
    ttl_s: int
    def __init__(self, host: _Optional[str] = ..., vm: _Optional[str] = ..., audience: _Optional[str] = ..., ttl_s: _Optional[int] = ...) -> None: ...

class IssueWorkloadTokenResponse(_message.Message):
    __slots__ = ("token", "expires_at")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    token: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, token: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
