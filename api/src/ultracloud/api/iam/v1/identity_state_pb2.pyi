from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Ending(_message.Message):
    __slots__ = ("ends_at_ms",)
    ENDS_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ends_at_ms: int
    def __init__(self, ends_at_ms: _Optional[int] = ...) -> None: ...

class TotpState(_message.Message):
    __slots__ = ("sealed_secret", "is_confirmed", "last_step")
    SEALED_SECRET_FIELD_NUMBER: _ClassVar[int]
    IS_CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    LAST_STEP_FIELD_NUMBER: _ClassVar[int]
    sealed_secret: bytes
    is_confirmed: bool
    last_step: int
    def __init__(self, sealed_secret: _Optional[bytes] = ..., is_confirmed: _Optional[bool] = ..., last_step: _Optional[int] = ...) -> None: ...

class SecurityKeyState(_message.Message):
    __slots__ = ("id", "name", "attested", "sign_count", "created_at_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ATTESTED_FIELD_NUMBER: _ClassVar[int]
    SIGN_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    attested: bytes
    sign_count: int
    created_at_ms: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., attested: _Optional[bytes] = ..., sign_count: _Optional[int] = ..., created_at_ms: _Optional[int] = ...) -> None: ...

class UserCredentials(_message.Message):
    __slots__ = ("password", "password_changed_at_ms", "totp", "recovery_codes", "security_keys")
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_CHANGED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TOTP_FIELD_NUMBER: _ClassVar[int]
    RECOVERY_CODES_FIELD_NUMBER: _ClassVar[int]
    SECURITY_KEYS_FIELD_NUMBER: _ClassVar[int]
    password: str
    password_changed_at_ms: int
    totp: TotpState
    recovery_codes: _containers.RepeatedScalarFieldContainer[bytes]
    security_keys: _containers.RepeatedCompositeFieldContainer[SecurityKeyState]
    def __init__(self, password: _Optional[str] = ..., password_changed_at_ms: _Optional[int] = ..., totp: _Optional[_Union[TotpState, _Mapping]] = ..., recovery_codes: _Optional[_Iterable[bytes]] = ..., security_keys: _Optional[_Iterable[_Union[SecurityKeyState, _Mapping]]] = ...) -> None: ...

class Attempts(_message.Message):
    __slots__ = ("failures", "next_at_ms", "ends_at_ms")
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    NEXT_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_MS_FIELD_NUMBER: _ClassVar[int]
    failures: int
    next_at_ms: int
    ends_at_ms: int
    def __init__(self, failures: _Optional[int] = ..., next_at_ms: _Optional[int] = ..., ends_at_ms: _Optional[int] = ...) -> None: ...

class SessionState(_message.Message):
    __slots__ = ("id", "user", "client", "source", "created_at_ms", "used_at_ms", "methods", "generation", "rotated_at_ms", "client_id", "scope", "is_browser", "ends_at_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    USED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ROTATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    IS_BROWSER_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    user: str
    client: str
    source: str
    created_at_ms: int
    used_at_ms: int
    methods: _containers.RepeatedScalarFieldContainer[str]
    generation: int
    rotated_at_ms: int
    client_id: str
    scope: str
    is_browser: bool
    ends_at_ms: int
    def __init__(self, id: _Optional[str] = ..., user: _Optional[str] = ..., client: _Optional[str] = ..., source: _Optional[str] = ..., created_at_ms: _Optional[int] = ..., used_at_ms: _Optional[int] = ..., methods: _Optional[_Iterable[str]] = ..., generation: _Optional[int] = ..., rotated_at_ms: _Optional[int] = ..., client_id: _Optional[str] = ..., scope: _Optional[str] = ..., is_browser: _Optional[bool] = ..., ends_at_ms: _Optional[int] = ...) -> None: ...

class PersonalTokenState(_message.Message):
    __slots__ = ("id", "user", "name", "scopes", "place", "created_at_ms", "used_at_ms", "digest", "ends_at_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    USED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    user: str
    name: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    place: str
    created_at_ms: int
    used_at_ms: int
    digest: bytes
    ends_at_ms: int
    def __init__(self, id: _Optional[str] = ..., user: _Optional[str] = ..., name: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., place: _Optional[str] = ..., created_at_ms: _Optional[int] = ..., used_at_ms: _Optional[int] = ..., digest: _Optional[bytes] = ..., ends_at_ms: _Optional[int] = ...) -> None: ...

class TicketState(_message.Message):
    __slots__ = ("user", "client_id", "redirect_uri", "code_challenge", "scope", "nonce", "authenticated_at_ms", "methods", "challenge", "session", "ends_at_ms")
    USER_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    CODE_CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_MS_FIELD_NUMBER: _ClassVar[int]
    user: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    scope: str
    nonce: str
    authenticated_at_ms: int
    methods: _containers.RepeatedScalarFieldContainer[str]
    challenge: bytes
    session: str
    ends_at_ms: int
    def __init__(self, user: _Optional[str] = ..., client_id: _Optional[str] = ..., redirect_uri: _Optional[str] = ..., code_challenge: _Optional[str] = ..., scope: _Optional[str] = ..., nonce: _Optional[str] = ..., authenticated_at_ms: _Optional[int] = ..., methods: _Optional[_Iterable[str]] = ..., challenge: _Optional[bytes] = ..., session: _Optional[str] = ..., ends_at_ms: _Optional[int] = ...) -> None: ...

class DeviceState(_message.Message):
    __slots__ = ("client_id", "scope", "user_code", "user", "is_denied", "authenticated_at_ms", "methods", "asked_at_ms", "interval_s", "ends_at_ms")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    USER_CODE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    IS_DENIED_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    ASKED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_S_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_MS_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    scope: str
    user_code: str
    user: str
    is_denied: bool
    authenticated_at_ms: int
    methods: _containers.RepeatedScalarFieldContainer[str]
    asked_at_ms: int
    interval_s: int
    ends_at_ms: int
    def __init__(self, client_id: _Optional[str] = ..., scope: _Optional[str] = ..., user_code: _Optional[str] = ..., user: _Optional[str] = ..., is_denied: _Optional[bool] = ..., authenticated_at_ms: _Optional[int] = ..., methods: _Optional[_Iterable[str]] = ..., asked_at_ms: _Optional[int] = ..., interval_s: _Optional[int] = ..., ends_at_ms: _Optional[int] = ...) -> None: ...

class ClientSecretState(_message.Message):
    __slots__ = ("digest", "previous_digest", "previous_until_ms")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    previous_digest: bytes
    previous_until_ms: int
    def __init__(self, digest: _Optional[bytes] = ..., previous_digest: _Optional[bytes] = ..., previous_until_ms: _Optional[int] = ...) -> None: ...

class ConsentState(_message.Message):
    __slots__ = ("scopes", "ends_at_ms")
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_MS_FIELD_NUMBER: _ClassVar[int]
    scopes: _containers.RepeatedScalarFieldContainer[str]
    ends_at_ms: int
    def __init__(self, scopes: _Optional[_Iterable[str]] = ..., ends_at_ms: _Optional[int] = ...) -> None: ...

class SealedMac(_message.Message):
    __slots__ = ("sealed",)
    SEALED_FIELD_NUMBER: _ClassVar[int]
    sealed: bytes
    def __init__(self, sealed: _Optional[bytes] = ...) -> None: ...
