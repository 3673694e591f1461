"""JSON to messages and back, by protobuf's mapping as etcd's gateway speaks it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from http import HTTPStatus
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ultracloud.base.faults import InvalidArgumentError

MESSAGES_MAX = 1000
"""Messages of one request that streams; a message more is another request."""
SHOWN_MAX = 80
"""Characters of a value that are repeated to whoever sent it."""
STATUS_OF_CODE = {
    1: 499,
    2: 500,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    13: 500,
    14: 503,
    15: 500,
    16: 401,
}
"""grpc-gateway's HTTP status for each google.rpc.Code; 499 is nginx's, for a client that has left."""
_SPACE = re.compile(r"[ \t\r\n]*")
_WEB_SAFE = str.maketrans("-_", "+/")


def parse(body: bytes, kind: type[Message], *, many: bool) -> list[Message]:
    """The messages of a request: all of them, or only the first. Without a body, none, or an empty one.

    Raises:
        InvalidArgumentError: This is no JSON, or none of such a message.
    """
    try:
        values = _values(body.decode(), many=many)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(_why(error)) from error
    if len(values) > MESSAGES_MAX:
        raise InvalidArgumentError(f"{len(values)} messages in one request; at most {MESSAGES_MAX} are accepted")
    return [_message(value, kind) for value in values] or ([] if many else [kind()])


def render(octets: bytes, kind: type[Message]) -> bytes:
    """A message that is bytes already as JSON."""
    made = json_format.MessageToDict(kind.FromString(octets), preserving_proto_field_name=True)
    return json.dumps(made, separators=(",", ":"), ensure_ascii=False).encode()


def refusal(code: int, message: str, *, streams: bool = False) -> bytes:
    """An error as JSON; a stream's is an object inside."""
    body: dict[str, object] = {"error": message, "code": code, "message": message}
    if streams:
        status = STATUS_OF_CODE[code]
        said = HTTPStatus(status).phrase if status != STATUS_OF_CODE[1] else "Client Closed Request"
        body = {
            "error": {"grpc_code": code, "http_code": status, "message": message, "http_status": said, "code": code}
        }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def _values(text: str, *, many: bool) -> list[Any]:
    """The JSON values of a text, one behind the other; what follows the first is ignored where one is wanted."""
    decoder, found = json.JSONDecoder(), list[Any]()
    at = _behind_space(text, 0)
    while at < len(text) and (many or not found) and len(found) <= MESSAGES_MAX:
        value, end = decoder.raw_decode(text, at)
        found.append(value)
        at = _behind_space(text, end)
    return found


def _behind_space(text: str, at: int) -> int:
    matched = _SPACE.match(text, at)
    assert matched is not None
    return matched.end()


def _message(value: object, kind: type[Message]) -> Message:
    message = kind()
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"a {type(value).__name__} is no {kind.DESCRIPTOR.name}; send an object")
    try:
        _check_bytes(value, kind.DESCRIPTOR)
        json_format.ParseDict(value, message, ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as error:
        raise InvalidArgumentError(_why(error)) from error
    return message


def _check_bytes(value: dict[str, Any], descriptor: Any) -> None:
    """Refuse what is not base64: protobuf's own reader passes over characters that it does not know.

    Raises:
        InvalidArgumentError: Such a field is in the message, or in one of its messages.
    """
    for field in descriptor.fields:
        for name in {field.name, field.json_name} & value.keys():
            for each in value[name] if isinstance(value[name], list) else [value[name]]:
                if field.type == FieldDescriptor.TYPE_BYTES and isinstance(each, str):
                    _check_base64(field.name, each)
                elif field.type == FieldDescriptor.TYPE_MESSAGE and isinstance(each, dict):
                    _check_bytes(each, field.message_type)


def _check_base64(name: str, text: str) -> None:
    bare = text.rstrip("=").translate(_WEB_SAFE)
    try:
        base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgumentError(f"invalid value for bytes field {name}: {text[:SHOWN_MAX]!a}") from error


def _why(error: BaseException) -> str:
    return "the JSON is nested too deeply" if isinstance(error, RecursionError) else str(error)[: 4 * SHOWN_MAX]
