"""iam's login and OpenID Connect pages, passed on over HTTP: browsers and relying parties see one address.

Only the fields of a request and of an answer that these pages use are passed on. What comes back is at most
BODY_BYTES_MAX long, and there is one attempt: a login that is sent twice is a login that fails twice.

Source: RFC 9110 7.6 (fields between hops), RFC 7239's forerunners X-Forwarded-*.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING

from apigateway.core.problems import PROBLEM_TYPE, problem_of
from apigateway.core.proxies import HEADER
from apigateway.shell.callers import Callers, RateLimitedError
from ultracloud.base.faults import Fault, UnavailableError
from ultracloud.servicekit import deadlines, pki
from ultracloud.servicekit.pki import TlsIdentity
from ultracloud.wire import HttpEndpoint, HttpReply, HttpRequest

if TYPE_CHECKING:
    import httpx

PATHS = ("/.well-known/", "/oauth2/", "/login", "/login/", "/device", "/device/", "/logout")
"""What iam serves under the same paths."""
TIMEOUT_S = 10.0
"""A password takes iam a quarter of a second; a queue of them more."""
BODY_BYTES_MAX = 1024 * 1024
ASKED = ("accept", "accept-language", "authorization", "content-type", "cookie", "origin", "referer", "user-agent")
ANSWERED = (
    "access-control-allow-origin",
    "cache-control",
    "content-security-policy",
    "cross-origin-opener-policy",
    "etag",
    "location",
    "pragma",
    "referrer-policy",
    "retry-after",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
)


class Login:
    """Passes requests on to iam.

    Args:
        target: Where iam listens: ``host:port`` or ``unix:/path``.
        identity: Who the gateway is; None speaks clear text.
        callers: Counts addresses; who calls is iam's matter here.
    """

    def __init__(self, target: str, identity: TlsIdentity | None, callers: Callers) -> None:
        self._target = target
        self._identity = identity
        self._callers = callers
        self._client: httpx.AsyncClient | None = None

    def endpoints(self) -> dict[str, HttpEndpoint]:
        """By path."""
        return dict.fromkeys(PATHS, self.answer)

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Pass a request on."""
        import httpx

        trace = deadlines.trace_of(request.metadata) or deadlines.new_trace()
        try:
            source = self._callers.source_of(request)
            self._callers.admit_source(source)
            path = f"{request.path}?{request.query}" if request.query else request.path
            client = self._connected()
            # httpx would write the path anew; what was asked is what is passed on.
            url = client.base_url.copy_with(raw_path=path.encode("latin-1"))
            found = await client.request(
                request.method,
                url,
                content=request.body,
                headers=_asked(request, trace, source),
                timeout=TIMEOUT_S,
                extensions={"sni_hostname": pki.expected_name(pki.service_identity("iam"))},
            )
        except httpx.HTTPError as error:
            detail = f"{type(error).__name__}: {error}"
            return _told(UnavailableError("iam does not answer", detail=detail, reason="PEER_DOWN"), trace)
        except Fault as fault:
            return _told(fault, trace)
        if len(found.content) > BODY_BYTES_MAX:
            return _told(UnavailableError("iam's answer is too long", reason="ANSWER_TOO_LONG"), trace)
        fields = {name: found.headers[name] for name in ANSWERED if name in found.headers}
        kind = found.headers.get("content-type", "application/octet-stream")
        # Several cookies are several fields: a comma between them would be part of a cookie.
        cookies = found.headers.get_list("set-cookie")
        return HttpReply(found.status_code, found.content, kind, {**fields, "x-request-id": trace}, cookies)

    async def stop(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _connected(self) -> httpx.AsyncClient:
        """The client, made when it is first needed: most of a gateway's life is not logins."""
        import httpx

        if self._client is None:
            is_unix = self._target.startswith("unix:")
            uds = self._target.removeprefix("unix:") if is_unix else None
            context = self._context()
            host = "iam" if is_unix else self._target
            self._client = httpx.AsyncClient(
                base_url=f"{'https' if self._identity else 'http'}://{host}",
                transport=httpx.AsyncHTTPTransport(verify=context or False, uds=uds, retries=0),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client

    def _context(self) -> ssl.SSLContext | None:
        """Mutual TLS with the cluster's authority: the certificate must be iam's."""
        if self._identity is None:
            return None
        context = ssl.create_default_context(cafile=str(self._identity.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self._identity.certificate, self._identity.key)
        return context


def _asked(request: HttpRequest, trace: str, source: str) -> dict[str, str]:
    """Fields that are passed on."""
    metadata: Mapping[str, str] = request.metadata
    fields = {name: metadata[name] for name in ASKED if name in metadata}
    host = metadata.get("host", metadata.get(":authority", ""))
    fields |= {
        HEADER: source,
        "x-forwarded-proto": "https",
        "traceparent": f"00-{trace}-{trace[:16]}-01",
    }
    return {**fields, "x-forwarded-host": host} if host else fields


def _told(fault: Fault, trace: str) -> HttpReply:
    problem = problem_of(fault, trace)
    more = fault.fields if isinstance(fault, RateLimitedError) else {}
    return HttpReply(problem.status, problem.body, PROBLEM_TYPE, {**problem.fields, **more, "x-request-id": trace})
