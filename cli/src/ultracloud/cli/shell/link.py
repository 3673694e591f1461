"""One connection to the gateway: HTTP/1.1 over TLS with the standard library, kept open between requests.

http.client, because a richer library takes longer to import than a command may run. Nothing is followed anywhere:
a redirect is an answer like any other, so a token goes to the context's server and nowhere else.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from ultracloud.cli import __version__
from ultracloud.cli.core.failures import Failure, TimeoutFailure, UnreachableFailure
from ultracloud.cli.core.proxies import Proxy, proxy_for
from ultracloud.cli.core.requests import FORM_TYPE, JSON_TYPE, Request, masked, masked_headers
from ultracloud.cli.core.settings import Target
from ultracloud.cli.core.trees import Json

ANSWER_BYTES_MAX = 64 << 20
"""The gateway's pages have at most 1,000 items; a larger answer is no answer of ours."""
LINE_BYTES_MAX = 8 << 20
"""Of a stream: one resource."""
CONNECT_S = 10.0
LOGGED_BYTES_MAX = 4000


OF_AUTHORITY = "name the authority's file: `uc context set --ca FILE`, or ULTRACLOUD_CA"
REMEDIES = {
    9: "this machine's clock is probably behind: `date` shows it, `timedatectl set-ntp true` sets it",
    10: "it is to be renewed where the gateway runs; if it was, this machine's clock is wrong: `date` shows it",
    62: "reach the gateway by a name that its certificate has: `uc context set --server https://NAME:PORT`",
    64: "reach the gateway by an address that its certificate has, or by a name: `uc context set --server ...`",
}
"""What to do by X509_V_ERR_* of OpenSSL's x509_vfy.h: not yet valid, expired, another host, another address."""


class NotSentFailure(UnreachableFailure):
    """No connection came about: the server has not got the request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    title: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def request_id(self) -> str:
        """The server's name for this request."""
        return self.headers.get("x-request-id", "")


class Link:
    """A connection that is made when it is needed, and made anew when the server has closed it.

    Args:
        target: Where to, and with which certificates.
        timeout_s: For connecting, and for each wait for bytes.
        log: Takes lines of the wire log; None for none.
    """

    def __init__(self, target: Target, timeout_s: float = 30.0, log: Callable[[str], None] | None = None) -> None:
        self.target = target
        self.timeout_s = timeout_s
        self._log = log
        self._connection: http.client.HTTPConnection | None = None
        self._used = False

    def send(self, request: Request, headers: Mapping[str, str]) -> Answer:
        """Send one request and read the whole answer.

        Raises:
            NotSentFailure: There is no connection.
            UnreachableFailure: It broke after the request was sent.
            TimeoutFailure: Nothing came within the time.
        """
        response = self._exchange(request, headers)
        try:
            content = response.read(ANSWER_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._broken(error) from error
        if len(content) > ANSWER_BYTES_MAX:
            self.close()
            raise Failure(f"the server's answer is larger than {ANSWER_BYTES_MAX >> 20} MiB")
        if response.will_close:
            self.close()
        answer = Answer(response.status, response.reason, _lower(response), content)
        self._note_answer(answer)
        return answer

    def stream(self, request: Request, headers: Mapping[str, str]) -> Iterator[bytes] | Answer:
        """Lines as they come; an answer of 300 or more is given whole."""
        response = self._exchange(request, headers)
        if response.status >= http.HTTPStatus.MULTIPLE_CHOICES:
            try:
                content = response.read(ANSWER_BYTES_MAX)
            except (OSError, http.client.HTTPException) as error:
                raise self._broken(error) from error
            finally:
                self.close()
            return Answer(response.status, response.reason, _lower(response), content)
        return self._lines(response)

    def _lines(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while line := response.readline(LINE_BYTES_MAX + 1):
                if len(line) > LINE_BYTES_MAX:
                    raise Failure(f"a line of the stream is larger than {LINE_BYTES_MAX >> 20} MiB")
                self._note(lambda line=line: f"< {line[:LOGGED_BYTES_MAX]!r}")  # type: ignore[misc]
                yield line
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from error
        finally:
            self.close()

    def tls_socket(self) -> socket.socket:
        """A connected socket of its own, for what is not HTTP's: WebSockets."""
        connection = self._connect()
        self._connection = None
        assert connection.sock is not None
        sock: socket.socket = connection.sock
        return sock

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, request: Request, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        content, content_type = encode(request)
        sent = {
            "Accept": f"{JSON_TYPE}, application/x-ndjson, application/problem+json",
            "User-Agent": f"ultracloud-cli/{__version__}",
            **({"Content-Type": content_type} if content is not None else {}),
            **headers,
            **request.headers,
        }
        self._note_request(request, sent)
        reused = self._connection is not None
        try:
            return self._once(request, content, sent)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            if not reused or not request.repeatable:
                raise self._broken(error) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._broken(error) from error
        # The server had closed a connection that we kept; that says nothing of the server.
        try:
            return self._once(request, content, sent)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._broken(error) from error

    def _once(self, request: Request, content: bytes | None, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        connection = self._connection or self._connect()
        self._connection = connection
        try:
            connection.request(request.method, request.target, body=content, headers=dict(headers))
        except (ValueError, http.client.InvalidURL) as error:
            raise Failure(f"the request cannot be written: {error}") from error
        return connection.getresponse()

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.target.server)
        assert parts.hostname is not None
        port = parts.port or (443 if parts.scheme == "https" else 80)
        connection: http.client.HTTPConnection
        proxy = proxy_for(parts.hostname, port, os.environ) if parts.scheme == "https" else None
        if parts.scheme == "https":
            host = (parts.hostname, port) if proxy is None else (proxy.host, proxy.port)
            connection = http.client.HTTPSConnection(*host, timeout=CONNECT_S, context=self.trust())
        else:
            connection = http.client.HTTPConnection(parts.hostname, port, timeout=CONNECT_S)
        if proxy is not None:
            login = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
            connection.set_tunnel(parts.hostname, port, login)
            self._note(lambda: f"* through the proxy {proxy.host}:{proxy.port}")
        try:
            connection.connect()
        except OSError as error:
            if proxy is not None and not isinstance(error, ssl.SSLError):
                raise self._unproxied(proxy, error) from error
            raise self._unconnected(error) from error
        assert connection.sock is not None
        connection.sock.settimeout(self.timeout_s)
        return connection

    def trust(self) -> ssl.SSLContext:
        """Whom to believe, and who we are.

        Raises:
            Failure: A file of the context cannot be used.
        """
        target = self.target
        try:
            context = ssl.create_default_context(cafile=target.ca or None)
            if target.insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if target.certificate:
                context.load_cert_chain(target.certificate, target.key or None)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(name for name in (target.ca, target.certificate, target.key) if name)
            missing = next(
                (name for name in (target.ca, target.certificate, target.key) if name and not Path(name).is_file()), ""
            )
            raise Failure(
                f"{missing} does not exist" if missing else f"the certificates cannot be used ({files}): {error}"
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _unconnected(self, error: OSError) -> Failure:
        server = self.target.server
        match error:
            case ssl.SSLCertVerificationError():
                return NotSentFailure(
                    f"the certificate of {server} cannot be believed: {error.verify_message or error.reason}",
                    hint=REMEDIES.get(error.verify_code, OF_AUTHORITY),
                )
            case ssl.SSLError():
                return NotSentFailure(f"{server} does not speak TLS as expected: {error.reason or error}")
            case TimeoutError():
                return NotSentFailure(f"{server} does not answer within {CONNECT_S:.0f} s", exit_code=6)
            case socket.gaierror():
                return NotSentFailure(f"the name in {server} is not known ({error.strerror})")
            case ConnectionRefusedError():
                return NotSentFailure(
                    f"nothing listens at {server}",
                    hint="is the gateway running, and is this its address? `uc doctor` looks",
                )
            case _:
                return NotSentFailure(f"{server} cannot be reached: {error.strerror or error}")

    def _unproxied(self, proxy: Proxy, error: OSError) -> Failure:
        return NotSentFailure(
            f"the proxy {proxy.host}:{proxy.port} does not lead to {self.target.server}: {error.strerror or error}",
            hint="HTTPS_PROXY names it; a server that is reached without it stands in NO_PROXY",
        )

    def _broken(self, error: OSError | http.client.HTTPException) -> Failure:
        if isinstance(error, TimeoutError):
            return TimeoutFailure(f"{self.target.server} did not answer within {self.timeout_s:.0f} s")
        if isinstance(error, ssl.SSLError):
            return UnreachableFailure(f"{self.target.server} refused the connection: {error.reason or error}")
        return UnreachableFailure(f"the connection to {self.target.server} broke: {str(error) or type(error).__name__}")

    def _note(self, line: Callable[[], str]) -> None:
        if self._log is not None:
            self._log(line())

    def _note_request(self, request: Request, headers: Mapping[str, str]) -> None:
        self._note(lambda: f"> {request.method} {self.target.server}{request.target}")
        for name, value in masked_headers(headers).items():
            self._note(lambda name=name, value=value: f"> {name}: {value}")  # type: ignore[misc]
        body: Json = dict(request.form) if request.form else request.body
        if body is not None:
            self._note(lambda: f"> {json.dumps(masked(body), ensure_ascii=False)[:LOGGED_BYTES_MAX]}")

    def _note_answer(self, answer: Answer) -> None:
        self._note(lambda: f"< {answer.status} {answer.title}")
        for name, value in masked_headers(answer.headers).items():
            self._note(lambda name=name, value=value: f"< {name}: {value}")  # type: ignore[misc]
        self._note(lambda: f"< {_loggable(answer.content)}")


def encode(request: Request) -> tuple[bytes | None, str]:
    """The body's bytes, and what they are."""
    if request.form:
        return urlencode(request.form).encode(), FORM_TYPE
    if request.body is None:
        return None, ""
    return json.dumps(request.body, ensure_ascii=False, separators=(",", ":")).encode(), JSON_TYPE


def _lower(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _loggable(content: bytes) -> str:
    try:
        return json.dumps(masked(json.loads(content)), ensure_ascii=False)[:LOGGED_BYTES_MAX]
    except (ValueError, RecursionError):
        return repr(content[:LOGGED_BYTES_MAX])
