"""`uc api`: any request of the API, with our login, for what no command says."""

from __future__ import annotations

import os
import sys

import click

from ultracloud.cli.commands.base import app_of, command
from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.requests import Request
from ultracloud.cli.core.trees import Json
from ultracloud.cli.shell import printer

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@command("api", short_help="Send any request: `api GET /v1/whoami`")
@click.argument("method", type=click.Choice(METHODS, case_sensitive=False))
@click.argument("path")
@click.option("-f", "--file", metavar="FILE", help="Body as YAML or JSON; - is stdin.")
@click.option("-d", "--data", metavar="JSON", help="Body as JSON.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="May be given several times.")
@click.option("-S", "--stream", is_flag=True, help="Lines as they come: a watch.")
@click.pass_context
def api(
    ctx: click.Context,
    method: str,
    path: str,
    file: str | None,
    data: str | None,
    headers: tuple[str, ...],
    stream: bool,
) -> None:
    """Send a request of the API and print the answer, as JSON unless -o says otherwise."""
    from ultracloud.cli.shell.documents import read_one

    app = app_of(ctx)
    if not path.startswith("/") or path.startswith("//") or any(letter.isspace() for letter in path):
        raise UsageFailure(f"{path[:80]!r} is no path; accepted: /v1/...")
    if file and data:
        raise UsageFailure("-f and -d exclude each other")
    body: Json = read_one(file) if file else _json(data) if data else None
    given = dict(_header(header) for header in headers)
    method = method.upper()
    if method == "POST" and not path.rpartition("/")[2].count(":"):
        given.setdefault("Idempotency-Key", os.urandom(16).hex())
    request = Request(method, path, (), body, (), given, method == "GET" or "Idempotency-Key" in given)
    if not app.text("output"):
        app.flags["output"] = "json"
    app.show(request)
    if stream:
        for message in app.client.stream(request):
            printer.print_document(app, message)
        return
    answer = app.client.answer(request)
    if answer.headers.get("content-type", "").partition(";")[0] not in ("application/json", ""):
        sys.stdout.write(answer.content.decode(errors="replace"))
        return
    if answer.content:
        from ultracloud.cli.shell.client import decode

        printer.print_document(app, decode(answer.content))


def _json(text: str) -> Json:
    import json

    try:
        made: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageFailure(f"--data: this is no JSON ({error})") from None
    return made


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip().replace("-", "").isalnum() or "\n" in value or "\r" in value:
        raise UsageFailure(f"--header: {text[:60]!r} is no header; accepted: Name: value")
    return name.strip(), value.strip()
