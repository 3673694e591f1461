import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ultracloud.api.resource.v1 import resource_pb2 as _resource_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OrganisationSpec(_message.Message):
    __slots__ = ("description", "quotas")
    class QuotasEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    description: str
    quotas: _containers.ScalarMap[str, int]
    def __init__(self, description: _Optional[str] = ..., quotas: _Optional[_Mapping[str, int]] = ...) -> None: ...

class OrganisationStatus(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ...) -> None: ...

class Organisation(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: OrganisationSpec
    status: OrganisationStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[OrganisationSpec, _Mapping]] = ..., status: _Optional[_Union[OrganisationStatus, _Mapping]] = ...) -> None: ...

class CreateOrganisationRequest(_message.Message):
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
    spec: OrganisationSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[OrganisationSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateOrganisationRequest(_message.Message):
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
    spec: OrganisationSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[OrganisationSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListOrganisationsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Organisation]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Organisation, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class OrganisationEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Organisation
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Organisation, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class ProjectSpec(_message.Message):
    __slots__ = ("description", "quotas")
    class QuotasEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    description: str
    quotas: _containers.ScalarMap[str, int]
    def __init__(self, description: _Optional[str] = ..., quotas: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ProjectStatus(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ...) -> None: ...

class Project(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: ProjectSpec
    status: ProjectStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[ProjectSpec, _Mapping]] = ..., status: _Optional[_Union[ProjectStatus, _Mapping]] = ...) -> None: ...

class CreateProjectRequest(_message.Message):
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
    spec: ProjectSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[ProjectSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateProjectRequest(_message.Message):
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
    spec: ProjectSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[ProjectSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListProjectsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Project]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Project, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ProjectEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Project
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Project, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class EnvironmentSpec(_message.Message):
    __slots__ = ("description",)
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    description: str
    def __init__(self, description: _Optional[str] = ...) -> None: ...

class EnvironmentStatus(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ...) -> None: ...

class Environment(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: EnvironmentSpec
    status: EnvironmentStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[EnvironmentSpec, _Mapping]] = ..., status: _Optional[_Union[EnvironmentStatus, _Mapping]] = ...) -> None: ...

class CreateEnvironmentRequest(_message.Message):
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
    spec: EnvironmentSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[EnvironmentSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateEnvironmentRequest(_message.Message):
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
    spec: EnvironmentSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[EnvironmentSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListEnvironmentsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Environment]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Environment, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class EnvironmentEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Environment
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Environment, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class ServiceAccountSpec(_message.Message):
    __slots__ = ("description", "disabled")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    description: str
    disabled: bool
    def __init__(self, description: _Optional[str] = ..., disabled: _Optional[bool] = ...) -> None: ...

class ServiceAccountStatus(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ...) -> None: ...

class ServiceAccount(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: ServiceAccountSpec
    status: ServiceAccountStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[ServiceAccountSpec, _Mapping]] = ..., status: _Optional[_Union[ServiceAccountStatus, _Mapping]] = ...) -> None: ...

class CreateServiceAccountRequest(_message.Message):
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
    spec: ServiceAccountSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[ServiceAccountSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateServiceAccountRequest(_message.Message):
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
    spec: ServiceAccountSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[ServiceAccountSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListServiceAccountsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ServiceAccount]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[ServiceAccount, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ServiceAccountEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: ServiceAccount
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[ServiceAccount, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class UserSpec(_message.Message):
    __slots__ = ("display_name", "email", "disabled")
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    display_name: str
    email: str
    disabled: bool
    def __init__(self, display_name: _Optional[str] = ..., email: _Optional[str] = ..., disabled: _Optional[bool] = ...) -> None: ...

class UserStatus(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: UserSpec
    status: UserStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[UserSpec, _Mapping]] = ..., status: _Optional[_Union[UserStatus, _Mapping]] = ...) -> None: ...

class CreateUserRequest(_message.Message):
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
    spec: UserSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[UserSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateUserRequest(_message.Message):
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
    spec: UserSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[UserSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListUsersResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[User]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[User, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class UserEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: User
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[User, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class GroupSpec(_message.Message):
    __slots__ = ("members", "description")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedScalarFieldContainer[str]
    description: str
    def __init__(self, members: _Optional[_Iterable[str]] = ..., description: _Optional[str] = ...) -> None: ...

class GroupStatus(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: GroupSpec
    status: GroupStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[GroupSpec, _Mapping]] = ..., status: _Optional[_Union[GroupStatus, _Mapping]] = ...) -> None: ...

class CreateGroupRequest(_message.Message):
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
    spec: GroupSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[GroupSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateGroupRequest(_message.Message):
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
    spec: GroupSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[GroupSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListGroupsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Group]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GroupEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Group
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Group, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class RoleSpec(_message.Message):
    __slots__ = ("description", "permissions")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    description: str
    permissions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, description: _Optional[str] = ..., permissions: _Optional[_Iterable[str]] = ...) -> None: ...

class RoleStatus(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ...) -> None: ...

class Role(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: RoleSpec
    status: RoleStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[RoleSpec, _Mapping]] = ..., status: _Optional[_Union[RoleStatus, _Mapping]] = ...) -> None: ...

class CreateRoleRequest(_message.Message):
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
    spec: RoleSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[RoleSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateRoleRequest(_message.Message):
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
    spec: RoleSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[RoleSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListRolesResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Role]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Role, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class RoleEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Role
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Role, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class BindingSpec(_message.Message):
    __slots__ = ("role", "principals", "resource", "deny", "condition")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PRINCIPALS_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    DENY_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    role: str
    principals: _containers.RepeatedScalarFieldContainer[str]
    resource: str
    deny: bool
    condition: str
    def __init__(self, role: _Optional[str] = ..., principals: _Optional[_Iterable[str]] = ..., resource: _Optional[str] = ..., deny: _Optional[bool] = ..., condition: _Optional[str] = ...) -> None: ...

class BindingStatus(_message.Message):
    __slots__ = ("conditions",)
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[_resource_pb2.Condition]
    def __init__(self, conditions: _Optional[_Iterable[_Union[_resource_pb2.Condition, _Mapping]]] = ...) -> None: ...

class Binding(_message.Message):
    __slots__ = ("metadata", "spec", "status")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    metadata: _resource_pb2.Metadata
    spec: BindingSpec
    status: BindingStatus
    def __init__(self, metadata: _Optional[_Union[_resource_pb2.Metadata, _Mapping]] = ..., spec: _Optional[_Union[BindingSpec, _Mapping]] = ..., status: _Optional[_Union[BindingStatus, _Mapping]] = ...) -> None: ...

class CreateBindingRequest(_message.Message):
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
    spec: BindingSpec
    idempotency_key: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., spec: _Optional[_Union[BindingSpec, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class UpdateBindingRequest(_message.Message):
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
    spec: BindingSpec
    labels: _containers.ScalarMap[str, str]
    def __init__(self, project: _Optional[str] = ..., ref: _Optional[str] = ..., etag: _Optional[str] = ..., update_mask: _Optional[_Iterable[str]] = ..., spec: _Optional[_Union[BindingSpec, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListBindingsResponse(_message.Message):
    __slots__ = ("items", "next_page_token", "version")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Binding]
    next_page_token: str
    version: int
    def __init__(self, items: _Optional[_Iterable[_Union[Binding, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class BindingEvent(_message.Message):
    __slots__ = ("type", "object", "version")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    type: _resource_pb2.EventType
    object: Binding
    version: int
    def __init__(self, type: _Optional[_Union[_resource_pb2.EventType, str]] = ..., object: _Optional[_Union[Binding, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class IssueTokenRequest(_message.Message):
    __slots__ = ("project", "service_account", "ttl_s")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    project: str
    service_account: str
    ttl_s: int
    def __init__(self, project: _Optional[str] = ..., service_account: _Optional[str] = ..., ttl_s: _Optional[int] = ...) -> None: ...

class IssueTokenResponse(_message.Message):
    __slots__ = ("token", "expires_at")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    token: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, token: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class IssueWorkloadTokenRequest(_message.Message):
    __slots__ = ("project", "service_account", "audience", "ttl_s", "workload")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    WORKLOAD_FIELD_NUMBER: _ClassVar[int]
    project: str
    service_account: str
    audience: str
    ttl_s: int
    workload: str
    def __init__(self, project: _Optional[str] = ..., service_account: _Optional[str] = ..., audience: _Optional[str] = ..., ttl_s: _Optional[int] = ..., workload: _Optional[str] = ...) -> None: ...

class IssueWorkloadTokenResponse(_message.Message):
    __slots__ = ("token", "expires_at")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    token: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, token: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WhoAmIRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WhoAmIResponse(_message.Message):
    __slots__ = ("principal", "organisation", "project", "expires_at")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    ORGANISATION_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    principal: str
    organisation: str
    project: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, principal: _Optional[str] = ..., organisation: _Optional[str] = ..., project: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PublicKey(_message.Message):
    __slots__ = ("kid", "ed25519")
    KID_FIELD_NUMBER: _ClassVar[int]
    ED25519_FIELD_NUMBER: _ClassVar[int]
    kid: str
    ed25519: bytes
    def __init__(self, kid: _Optional[str] = ..., ed25519: _Optional[bytes] = ...) -> None: ...

class PolicyOrganisation(_message.Message):
    __slots__ = ("id", "name", "quotas")
    class QuotasEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    quotas: _containers.ScalarMap[str, int]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., quotas: _Optional[_Mapping[str, int]] = ...) -> None: ...

class PolicyProject(_message.Message):
    __slots__ = ("id", "name", "organisation", "quotas")
    class QuotasEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORGANISATION_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    organisation: str
    quotas: _containers.ScalarMap[str, int]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., organisation: _Optional[str] = ..., quotas: _Optional[_Mapping[str, int]] = ...) -> None: ...

class PolicyEnvironment(_message.Message):
    __slots__ = ("id", "name", "project")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    project: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., project: _Optional[str] = ...) -> None: ...

class PolicyServiceAccount(_message.Message):
    __slots__ = ("id", "name", "project", "disabled", "environment")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    project: str
    disabled: bool
    environment: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., project: _Optional[str] = ..., disabled: _Optional[bool] = ..., environment: _Optional[str] = ...) -> None: ...

class PolicyUser(_message.Message):
    __slots__ = ("id", "name", "organisation", "disabled")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORGANISATION_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    organisation: str
    disabled: bool
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., organisation: _Optional[str] = ..., disabled: _Optional[bool] = ...) -> None: ...

class PolicyGroup(_message.Message):
    __slots__ = ("id", "name", "organisation", "members")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORGANISATION_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    organisation: str
    members: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., organisation: _Optional[str] = ..., members: _Optional[_Iterable[str]] = ...) -> None: ...

class PolicyRole(_message.Message):
    __slots__ = ("id", "name", "organisation", "permissions")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORGANISATION_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    organisation: str
    permissions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., organisation: _Optional[str] = ..., permissions: _Optional[_Iterable[str]] = ...) -> None: ...

class PolicyBinding(_message.Message):
    __slots__ = ("id", "role", "principals", "resource", "deny", "name", "condition")
    ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PRINCIPALS_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    DENY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    id: str
    role: str
    principals: _containers.RepeatedScalarFieldContainer[str]
    resource: str
    deny: bool
    name: str
    condition: str
    def __init__(self, id: _Optional[str] = ..., role: _Optional[str] = ..., principals: _Optional[_Iterable[str]] = ..., resource: _Optional[str] = ..., deny: _Optional[bool] = ..., name: _Optional[str] = ..., condition: _Optional[str] = ...) -> None: ...

class PolicyRevocation(_message.Message):
    __slots__ = ("session", "principal", "not_before_ms", "until_ms")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    session: str
    principal: str
    not_before_ms: int
    until_ms: int
    def __init__(self, session: _Optional[str] = ..., principal: _Optional[str] = ..., not_before_ms: _Optional[int] = ..., until_ms: _Optional[int] = ...) -> None: ...

class PolicySnapshot(_message.Message):
    __slots__ = ("version", "keys", "organisations", "projects", "service_accounts", "roles", "bindings", "users", "groups", "revocations", "base_version", "removed", "more", "environments")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    ORGANISATIONS_FIELD_NUMBER: _ClassVar[int]
    PROJECTS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    REVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENTS_FIELD_NUMBER: _ClassVar[int]
    version: int
    keys: _containers.RepeatedCompositeFieldContainer[PublicKey]
    organisations: _containers.RepeatedCompositeFieldContainer[PolicyOrganisation]
    projects: _containers.RepeatedCompositeFieldContainer[PolicyProject]
    service_accounts: _containers.RepeatedCompositeFieldContainer[PolicyServiceAccount]
    roles: _containers.RepeatedCompositeFieldContainer[PolicyRole]
    bindings: _containers.RepeatedCompositeFieldContainer[PolicyBinding]
    users: _containers.RepeatedCompositeFieldContainer[PolicyUser]
    groups: _containers.RepeatedCompositeFieldContainer[PolicyGroup]
    revocations: _containers.RepeatedCompositeFieldContainer[PolicyRevocation]
    base_version: int
    removed: _containers.RepeatedScalarFieldContainer[str]
    more: bool
    environments: _containers.RepeatedCompositeFieldContainer[PolicyEnvironment]
    def __init__(self, version: _Optional[int] = ..., keys: _Optional[_Iterable[_Union[PublicKey, _Mapping]]] = ..., organisations: _Optional[_Iterable[_Union[PolicyOrganisation, _Mapping]]] = ..., projects: _Optional[_Iterable[_Union[PolicyProject, _Mapping]]] = ..., service_accounts: _Optional[_Iterable[_Union[PolicyServiceAccount, _Mapping]]] = ..., roles: _Optional[_Iterable[_Union[PolicyRole, _Mapping]]] = ..., bindings: _Optional[_Iterable[_Union[PolicyBinding, _Mapping]]] = ..., users: _Optional[_Iterable[_Union[PolicyUser, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[PolicyGroup, _Mapping]]] = ..., revocations: _Optional[_Iterable[_Union[PolicyRevocation, _Mapping]]] = ..., base_version: _Optional[int] = ..., removed: _Optional[_Iterable[str]] = ..., more: _Optional[bool] = ..., environments: _Optional[_Iterable[_Union[PolicyEnvironment, _Mapping]]] = ...) -> None: ...

class WatchPolicyRequest(_message.Message):
    __slots__ = ("known_version",)
    KNOWN_VERSION_FIELD_NUMBER: _ClassVar[int]
    known_version: int
    def __init__(self, known_version: _Optional[int] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("principal", "permission", "resource", "source_address", "at", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    principal: str
    permission: str
    resource: str
    source_address: str
    at: _timestamp_pb2.Timestamp
    labels: _containers.ScalarMap[str, str]
    def __init__(self, principal: _Optional[str] = ..., permission: _Optional[str] = ..., resource: _Optional[str] = ..., source_address: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ExplainedBinding(_message.Message):
    __slots__ = ("binding", "name", "role", "resource", "place", "group", "group_name", "deny", "condition", "holds", "failure")
    BINDING_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    DENY_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    binding: str
    name: str
    role: str
    resource: str
    place: str
    group: str
    group_name: str
    deny: bool
    condition: str
    holds: bool
    failure: str
    def __init__(self, binding: _Optional[str] = ..., name: _Optional[str] = ..., role: _Optional[str] = ..., resource: _Optional[str] = ..., place: _Optional[str] = ..., group: _Optional[str] = ..., group_name: _Optional[str] = ..., deny: _Optional[bool] = ..., condition: _Optional[str] = ..., holds: _Optional[bool] = ..., failure: _Optional[str] = ...) -> None: ...

class ExplainedChange(_message.Message):
    __slots__ = ("remove", "role", "resource", "place", "advice")
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    remove: _containers.RepeatedScalarFieldContainer[str]
    role: str
    resource: str
    place: str
    advice: str
    def __init__(self, remove: _Optional[_Iterable[str]] = ..., role: _Optional[str] = ..., resource: _Optional[str] = ..., place: _Optional[str] = ..., advice: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("allowed", "reason", "binding", "decided_by", "considered", "context", "change", "why")
    class Why(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        WHY_UNSPECIFIED: _ClassVar[ExplainResponse.Why]
        ALLOWED_BY_BINDING: _ClassVar[ExplainResponse.Why]
        ALLOWED_BUILT_IN: _ClassVar[ExplainResponse.Why]
        DENIED_BY_BINDING: _ClassVar[ExplainResponse.Why]
        NO_BINDING: _ClassVar[ExplainResponse.Why]
        TOKEN_NARROWED: _ClassVar[ExplainResponse.Why]
        PRINCIPAL_GONE: _ClassVar[ExplainResponse.Why]
        PRINCIPAL_DISABLED: _ClassVar[ExplainResponse.Why]
        SESSION_REVOKED: _ClassVar[ExplainResponse.Why]
        TOKENS_REVOKED: _ClassVar[ExplainResponse.Why]
    WHY_UNSPECIFIED: ExplainResponse.Why
    ALLOWED_BY_BINDING: ExplainResponse.Why
    ALLOWED_BUILT_IN: ExplainResponse.Why
    DENIED_BY_BINDING: ExplainResponse.Why
    NO_BINDING: ExplainResponse.Why
    TOKEN_NARROWED: ExplainResponse.Why
    PRINCIPAL_GONE: ExplainResponse.Why
    PRINCIPAL_DISABLED: ExplainResponse.Why
    SESSION_REVOKED: ExplainResponse.Why
    TOKENS_REVOKED: ExplainResponse.Why
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    CONSIDERED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    allowed: bool
    reason: str
    binding: str
    decided_by: ExplainedBinding
    considered: _containers.RepeatedCompositeFieldContainer[ExplainedBinding]
    context: _containers.ScalarMap[str, str]
    change: ExplainedChange
    why: ExplainResponse.Why
    def __init__(self, allowed: _Optional[bool] = ..., reason: _Optional[str] = ..., binding: _Optional[str] = ..., decided_by: _Optional[_Union[ExplainedBinding, _Mapping]] = ..., considered: _Optional[_Iterable[_Union[ExplainedBinding, _Mapping]]] = ..., context: _Optional[_Mapping[str, str]] = ..., change: _Optional[_Union[ExplainedChange, _Mapping]] = ..., why: _Optional[_Union[ExplainResponse.Why, str]] = ...) -> None: ...
