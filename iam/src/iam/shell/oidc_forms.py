"""Forms as browsers and programs send them."""

from __future__ import annotations

from iam.core.oauth import FORM_BYTES_MAX, OAuthError
from ultracloud.wire import HttpRequest


def body_of(request: HttpRequest) -> str:
    """The form of a request.

    Raises:
        OAuthError: It is none, or too long.
    """
    kind = request.metadata.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or len(request.body) > FORM_BYTES_MAX:
        raise OAuthError("invalid_request", "send a form, application/x-www-form-urlencoded")
    try:
        return request.body.decode()
    except UnicodeDecodeError:
        raise OAuthError("invalid_request", "the form is no UTF-8") from None
