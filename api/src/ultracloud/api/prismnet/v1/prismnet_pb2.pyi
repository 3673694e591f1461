from google.api import annotations_pb2 as _annotations_pb2
from ultracloud.api.resource.v1 import resource_pb2 as _resource_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VpcSpec(_message.Message):
    __slots__ = ("cidr", "egress_nat")
    CIDR_FIELD_NUMBER: _ClassVar[int]
    EGRESS_NAT_FIELD_NUMBER: _ClassVar[int]
    cidr: str
    egress_nat: bool
    def __init__(self, cidr: _Optional[str] = ..., egress_nat: _Optional[bool] = ...) -> None: ...

class VpcStatus(_message.Message):
    __slots__ = ("conditions", "vni")
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    VNI_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    vni: int
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ..., vni: _Optional[int] = ...) -> None: ...

class Vpc(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: VpcSpec
    status: VpcStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[VpcSpec, _Mapping]] = ..., status: _Optional[_Union[VpcStatus, _Mapping]] = ...) -> None: ...

class CreateVpcRequest(_message.Message):
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
    spec: VpcSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[VpcSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateVpcRequest(_message.Message):
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
    spec: VpcSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[VpcSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListVpcsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Vpc]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Vpc, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class VpcEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Vpc
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Vpc, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class SubnetSpec(_message.Message):
    __slots__ = ("vpc", "cidr", "dns_servers")
    VPC_FIELD_NUMBER: _ClassVar[int]
    CIDR_FIELD_NUMBER: _ClassVar[int]
    DNS_SERVERS_FIELD_NUMBER: _ClassVar[int]
    vpc: str
    cidr: str
    dns_servers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, vpc: _Optional[str] = ..., cidr: _Optional[str] = ..., dns_servers: _Optional[_Iterable[str]] = ...) -> None: ...

class SubnetStatus(_message.Message):
    __slots__ = ("conditions", "gateway", "addresses_total", "addresses_used")
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_USED_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    gateway: str
    addresses_total: int
    addresses_used: int
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ..., gateway: _Optional[str] = ..., addresses_total: _Optional[int] = ..., addresses_used: _Optional[int] = ...) -> None: ...

class Subnet(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: SubnetSpec
    status: SubnetStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[SubnetSpec, _Mapping]] = ..., status: _Optional[_Union[SubnetStatus, _Mapping]] = ...) -> None: ...

class CreateSubnetRequest(_message.Message):
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
    spec: SubnetSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[SubnetSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateSubnetRequest(_message.Message):
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
    spec: SubnetSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[SubnetSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListSubnetsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Subnet]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Subnet, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class SubnetEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Subnet
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Subnet, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class Rule(_message.Message):
    __slots__ = ("direction", "protocol", "port_min", "port_max", "remote_cidr", "remote_group", "description")
    class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DIRECTION_UNSPECIFIED: _ClassVar[Rule.Direction]
        INGRESS: _ClassVar[Rule.Direction]
        EGRESS: _ClassVar[Rule.Direction]
    DIRECTION_UNSPECIFIED: Rule.Direction
    INGRESS: Rule.Direction
    EGRESS: Rule.Direction
    class Protocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PROTOCOL_UNSPECIFIED: _ClassVar[Rule.Protocol]
        TCP: _ClassVar[Rule.Protocol]
        UDP: _ClassVar[Rule.Protocol]
        ICMP: _ClassVar[Rule.Protocol]
    PROTOCOL_UNSPECIFIED: Rule.Protocol
    TCP: Rule.Protocol
    UDP: Rule.Protocol
    ICMP: Rule.Protocol
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    PORT_MIN_FIELD_NUMBER: _ClassVar[int]
    PORT_MAX_FIELD_NUMBER: _ClassVar[int]
    REMOTE_CIDR_FIELD_NUMBER: _ClassVar[int]
    REMOTE_GROUP_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    direction: Rule.Direction
    protocol: Rule.Protocol
    port_min: int
    port_max: int
    remote_cidr: str
    remote_group: str
    description: str
    def __init__(self, direction: _Optional[_Union[Rule.Direction, str]] = ..., protocol: _Optional[_Union[Rule.Protocol, str]] = ..., port_min: _Optional[int] = ..., port_max: _Optional[int] = ..., remote_cidr: _Optional[str] = ..., remote_group: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class SecurityGroupSpec(_message.Message):
    __slots__ = ("rules", "description")
    RULES_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[Rule]
    description: str
    def __init__(self, rules: _Optional[_Iterable[_Union[Rule, _Mapping]]] = ..., description: _Optional[str] = ...) -> None: ...

class SecurityGroupStatus(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ...) -> None: ...

class SecurityGroup(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: SecurityGroupSpec
    status: SecurityGroupStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[SecurityGroupSpec, _Mapping]] = ..., status: _Optional[_Union[SecurityGroupStatus, _Mapping]] = ...) -> None: ...

class CreateSecurityGroupRequest(_message.Message):
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
    spec: SecurityGroupSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[SecurityGroupSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateSecurityGroupRequest(_message.Message):
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
    spec: SecurityGroupSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[SecurityGroupSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListSecurityGroupsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[SecurityGroup]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[SecurityGroup, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class SecurityGroupEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: SecurityGroup
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[SecurityGroup, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class PortSpec(_message.Message):
    __slots__ = ("subnet", "security_groups", "address", "host", "attachment", "device", "hostname")
    class Attachment(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TAP: _ClassVar[PortSpec.Attachment]
        NETNS: _ClassVar[PortSpec.Attachment]
    TAP: PortSpec.Attachment
    NETNS: PortSpec.Attachment
    SUBNET_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUPS_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    subnet: str
    security_groups: _containers.RepeatedScalarFieldContainer[str]
    address: str
    host: str
    attachment: PortSpec.Attachment
    device: str
    hostname: str
    def __init__(self, subnet: _Optional[str] = ..., security_groups: _Optional[_Iterable[str]] = ..., address: _Optional[str] = ..., host: _Optional[str] = ..., attachment: _Optional[_Union[PortSpec.Attachment, str]] = ..., device: _Optional[str] = ..., hostname: _Optional[str] = ...) -> None: ...

class PortStatus(_message.Message):
    __slots__ = ("conditions", "address", "mac", "device_name", "vpc")
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    DEVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    VPC_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    address: str
    mac: str
    device_name: str
    vpc: str
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ..., address: _Optional[str] = ..., mac: _Optional[str] = ..., device_name: _Optional[str] = ..., vpc: _Optional[str] = ...) -> None: ...

class Port(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: PortSpec
    status: PortStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[PortSpec, _Mapping]] = ..., status: _Optional[_Union[PortStatus, _Mapping]] = ...) -> None: ...

class CreatePortRequest(_message.Message):
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
    spec: PortSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[PortSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdatePortRequest(_message.Message):
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
    spec: PortSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[PortSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListPortsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Port]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Port, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class PortEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Port
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Port, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class HostSubnet(_message.Message):
    __slots__ = ("id", "cidr", "gateway", "dns_servers")
    ID_FIELD_NUMBER: _ClassVar[int]
    CIDR_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    DNS_SERVERS_FIELD_NUMBER: _ClassVar[int]
    id: str
    cidr: str
    gateway: str
    dns_servers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., cidr: _Optional[str] = ..., gateway: _Optional[str] = ..., dns_servers: _Optional[_Iterable[str]] = ...) -> None: ...

class HostRule(_message.Message):
    __slots__ = ("direction", "protocol", "port_min", "port_max", "remote_cidrs")
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    PORT_MIN_FIELD_NUMBER: _ClassVar[int]
    PORT_MAX_FIELD_NUMBER: _ClassVar[int]
    REMOTE_CIDRS_FIELD_NUMBER: _ClassVar[int]
    direction: Rule.Direction
    protocol: Rule.Protocol
    port_min: int
    port_max: int
    remote_cidrs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, direction: _Optional[_Union[Rule.Direction, str]] = ..., protocol: _Optional[_Union[Rule.Protocol, str]] = ..., port_min: _Optional[int] = ..., port_max: _Optional[int] = ..., remote_cidrs: _Optional[_Iterable[str]] = ...) -> None: ...

class HostPort(_message.Message):
    __slots__ = ("id", "name", "project", "subnet", "address", "mac", "attachment", "device", "device_name", "hostname", "rules", "generation")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SUBNET_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    project: str
    subnet: str
    address: str
    mac: str
    attachment: PortSpec.Attachment
    device: str
    device_name: str
    hostname: str
    rules: _containers.RepeatedCompositeFieldContainer[HostRule]
    generation: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., project: _Optional[str] = ..., subnet: _Optional[str] = ..., address: _Optional[str] = ..., mac: _Optional[str] = ..., attachment: _Optional[_Union[PortSpec.Attachment, str]] = ..., device: _Optional[str] = ..., device_name: _Optional[str] = ..., hostname: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[HostRule, _Mapping]]] = ..., generation: _Optional[int] = ...) -> None: ...

class HostVpc(_message.Message):
    __slots__ = ("id", "cidr", "vni", "egress_nat", "subnets", "ports")
    ID_FIELD_NUMBER: _ClassVar[int]
    CIDR_FIELD_NUMBER: _ClassVar[int]
    VNI_FIELD_NUMBER: _ClassVar[int]
    EGRESS_NAT_FIELD_NUMBER: _ClassVar[int]
    SUBNETS_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    cidr: str
    vni: int
    egress_nat: bool
    subnets: _containers.RepeatedCompositeFieldContainer[HostSubnet]
    ports: _containers.RepeatedCompositeFieldContainer[HostPort]
    def __init__(self, id: _Optional[str] = ..., cidr: _Optional[str] = ..., vni: _Optional[int] = ..., egress_nat: _Optional[bool] = ..., subnets: _Optional[_Iterable[_Union[HostSubnet, _Mapping]]] = ..., ports: _Optional[_Iterable[_Union[HostPort, _Mapping]]] = ...) -> None: ...

class HostIntent(_message.Message):
    __slots__ = ("host", "generation", "vpcs")
    HOST_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    VPCS_FIELD_NUMBER: _ClassVar[int]
    host: str
    generation: int
    vpcs: _containers.RepeatedCompositeFieldContainer[HostVpc]
    def __init__(self, host: _Optional[str] = ..., generation: _Optional[int] = ..., vpcs: _Optional[_Iterable[_Union[HostVpc, _Mapping]]] = ...) -> None: ...

class WatchHostRequest(_message.Message):
    __slots__ = ("host", "known_generation")
    HOST_FIELD_NUMBER: _ClassVar[int]
    KNOWN_GENERATION_FIELD_NUMBER: _ClassVar[int]
    host: str
    known_generation: int
    def __init__(self, host: _Optional[str] = ..., known_generation: _Optional[int] = ...) -> None: ...

class PortReport(_message.Message):
    __slots__ = ("id", "generation", "ready", "message", "leased_at_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LEASED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    generation: int
    ready: bool
    message: str
    leased_at_ms: int
    def __init__(self, id: _Optional[str] = ..., generation: _Optional[int] = ..., ready: _Optional[bool] = ..., message: _Optional[str] = ..., leased_at_ms: _Optional[int] = ...) -> None: ...

class VpcReport(_message.Message):
    __slots__ = ("id", "egress", "message")
    ID_FIELD_NUMBER: _ClassVar[int]
    EGRESS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    egress: bool
    message: str
    def __init__(self, id: _Optional[str] = ..., egress: _Optional[bool] = ..., message: _Optional[str] = ...) -> None: ...

class ReportHostRequest(_message.Message):
    __slots__ = ("host", "generation", "ports", "vpcs")
    HOST_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    VPCS_FIELD_NUMBER: _ClassVar[int]
    host: str
    generation: int
    ports: _containers.RepeatedCompositeFieldContainer[PortReport]
    vpcs: _containers.RepeatedCompositeFieldContainer[VpcReport]
    def __init__(self, host: _Optional[str] = ..., generation: _Optional[int] = ..., ports: _Optional[_Iterable[_Union[PortReport, _Mapping]]] = ..., vpcs: _Optional[_Iterable[_Union[VpcReport, _Mapping]]] = ...) -> None: ...

class ReportHostResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
