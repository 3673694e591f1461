"""`uc doctor`: the installation from end to end, in the order in which one thing needs another."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime

import click

from ultracloud.cli.commands.base import app_of, command
from ultracloud.cli.commands.login import called
from ultracloud.cli.core import findings
from ultracloud.cli.core.failures import DENIED, Failure
from ultracloud.cli.core.findings import BROKEN, SKIPPED, WELL, WORRYING, Finding
from ultracloud.cli.core.problems import Refusal
from ultracloud.cli.core.requests import Request, make, places_of
from ultracloud.cli.core.trees import text_at
from ultracloud.cli.core.versions import skew
from ultracloud.cli.shell import credentials, index, printer
from ultracloud.cli.shell.app import App
from ultracloud.cli.shell.link import Answer
from ultracloud.cli.shell.terminal import GREEN, RED, YELLOW, paint

PATIENCE_S = 8.0
"""The gateway asks a service again for 5 s before it says that it is away, which is what we want to hear."""
MARKS = {
    WELL: ("ok     ", GREEN),
    WORRYING: ("warning", YELLOW),
    BROKEN: ("failed ", RED),
    SKIPPED: ("skipped", YELLOW),
}
SERVERS_OWN, NOT_SERVED = 500, 501
"""501: a service that is older than this program has not all of its kinds, and answers."""
RUNNING = "is the gateway running, and is this its address? where it runs: `systemctl status ultracloud-apigateway`"
STATUS = "where it runs: `systemctl status ultracloud-{}`"
AWAY = frozenset({502, 503, 504})


@command("doctor", short_help="Look at the installation end to end, and say what to do")
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Look at the installation end to end and say what to do.

    Exit code 0 if all is well, 1 if something worries, 2 if something is broken.
    """
    app = app_of(ctx)
    app.flags.setdefault("request_timeout", PATIENCE_S)
    # Whoever examines asks once: that it works at the third attempt is not well.
    app.flags["once"] = True
    found: list[Finding] = []
    for finding in examine(app):
        found.append(finding)
        if app.output.tabular:
            word, colour = MARKS[finding.state]
            sys.stdout.write(f"{paint(word, colour)}  {finding.what}: {finding.says}\n")
            sys.stdout.write(f"         to do: {finding.todo}\n" if finding.todo else "")
            sys.stdout.flush()
    if not app.output.tabular:
        printer.print_document(app, findings.as_document(found))
    ctx.exit(findings.exit_code(found))


def examine(app: App) -> Iterator[Finding]:
    """All findings; what needs something that is broken is not looked at."""
    try:
        target = app.target
    except Failure as failure:
        yield Finding("context", BROKEN, failure.sentence, failure.hint)
        return
    yield Finding("context", WELL, f"{target.name or 'none'}: {target.server}")
    if target.insecure:
        yield Finding(
            "trust", WORRYING, "the gateway's certificate is not verified", "`uc context set --secure --ca FILE`"
        )
    reached = yield from _reach(app)
    if reached is None:
        return
    yield from _clock(app, reached)
    yield from _versions(app)
    logged_in = yield from _login(app)
    if logged_in:
        yield from _services(app)


def _reach(app: App) -> Generator[Finding, None, Answer | None]:
    """Connection, certificate, and whether the gateway is ready."""
    started = time.monotonic()
    try:
        answer = app.link.send(Request("GET", "/readyz", repeatable=True), {})
    except Failure as failure:
        yield Finding(
            "gateway",
            BROKEN,
            failure.sentence,
            failure.hint if "doctor" not in failure.hint and failure.hint else RUNNING,
        )
        return None
    yield findings.took("gateway", time.monotonic() - started, "answers")
    with suppress(Failure, OSError, ValueError):
        yield from _certificate(app)
    if answer.status in AWAY:
        says = " ".join(answer.content.decode(errors="replace").split())[:300]
        yield Finding(
            "ready", WORRYING, f"the gateway waits: {says or answer.status}", "wait, or look at what it waits for"
        )
    return answer


def _certificate(app: App) -> Iterator[Finding]:
    if not app.target.server.startswith("https://"):
        yield Finding("certificate", WORRYING, "the connection is not encrypted", "use an https:// server")
        return
    if app.target.insecure:
        return
    import ssl

    sock = app.link.tls_socket()
    assert isinstance(sock, ssl.SSLSocket)
    peer = sock.getpeercert() or {}
    sock.close()
    begins_s, ends_s = (ssl.cert_time_to_seconds(str(peer[name])) for name in ("notBefore", "notAfter"))
    yield findings.certificate(ends_s - time.time(), ends_s - begins_s)


def _clock(app: App, answer: Answer) -> Iterator[Finding]:
    """By the answer's date; without one, by when the login's token was issued."""
    with suppress(ValueError):
        yield findings.clock(parsedate_to_datetime(answer.headers.get("date", "")).timestamp() - time.time())
        return
    with suppress(Failure):
        kept = credentials.load(app.target.name, app.target.server)
        if kept is not None and kept.refresh_token:
            yield findings.clock(float(kept.skew_s))
            return
    yield Finding("clock", SKIPPED, "the gateway does not say what time it is, and there is no login to tell it by")


def _versions(app: App) -> Iterator[Finding]:
    try:
        theirs = text_at(app.stranger.call(Request("GET", "/openapi.json", repeatable=True)), "info", "version")
    except Failure as failure:
        yield Finding("versions", WORRYING, f"the server's version is not known: {failure.sentence}")
        return
    warning = skew(index.api_version(), theirs)
    says = warning or f"both speak version {theirs} of the API"
    yield Finding("versions", WORRYING if warning else WELL, says, "update the older one" if warning else "")


def _login(app: App) -> Generator[Finding, None, bool]:
    """Who we are; also whether the services can be asked as somebody."""
    try:
        who = app.client.call(Request("GET", "/v1/whoami", repeatable=True))
    except Failure as failure:
        if isinstance(failure, Refusal) and failure.status in AWAY:
            # Tokens are good without iam, so whoever has one can ask the others.
            yield Finding("login", BROKEN, failure.sentence, STATUS.format("iam"))
            return True
        state = BROKEN if failure.exit_code == DENIED or not isinstance(failure, Refusal) else WORRYING
        yield Finding("login", state, failure.sentence, failure.hint or "`uc login`")
        return False
    yield Finding("login", WELL, f"you are {called(app, who)}")
    return True


def _services(app: App) -> Iterator[Finding]:
    """One small list of each service."""
    found: dict[str, Finding] = {}
    for name, entry in index.listing().items():
        service = text_at(entry, "service")
        if service in found or not text_at(entry, "kind"):
            continue
        request = _probe(app, name)
        if request is not None:
            found[service] = _service(app, service, request)
            yield found[service]
    if len(found) > 1 and all(finding.state == BROKEN for finding in found.values()):
        yield Finding(
            "store", BROKEN, "no service answers, and all keep what they know in flaredb", STATUS.format("flaredb")
        )
    for service in sorted(
        {text_at(entry, "service") for entry in index.listing().values() if text_at(entry, "kind")} - found.keys()
    ):
        yield Finding(f"service {service}", SKIPPED, "no project is named to ask about", "-p PROJECT")


def _probe(app: App, name: str) -> Request | None:
    """A list with one item, if what holds is enough for its path."""
    operation = index.noun(name).operations.get("list")
    target = app.chosen.target
    if operation is None:
        return None
    filled = {"project": target.project, "organisation": target.org}
    if any(not filled.get(place) for place in places_of(operation.path)):
        return None
    return make(operation, filled, (("page_size", "1"),))


def _service(app: App, service: str, request: Request) -> Finding:
    started = time.monotonic()
    try:
        app.client.answer(request)
    except Refusal as refused:
        if refused.status >= SERVERS_OWN and refused.status != NOT_SERVED:
            return Finding(
                f"service {service}",
                BROKEN,
                refused.sentence,
                refused.hint or f"{STATUS.format(service)}; request id {refused.request_id}",
            )
        # Who may not ask has been answered all the same.
        return findings.took(
            f"service {service}", time.monotonic() - started, f"answers ({refused.reason or refused.status})"
        )
    except Failure as failure:
        return Finding(f"service {service}", BROKEN, failure.sentence, failure.hint)
    return findings.took(f"service {service}", time.monotonic() - started, "answers")
