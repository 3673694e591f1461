"""`uc login`, `uc logout`, `uc whoami`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from ultracloud.cli.commands.base import command, pass_app
from ultracloud.cli.core.failures import DENIED, Failure, UsageFailure
from ultracloud.cli.core.problems import Refusal
from ultracloud.cli.core.requests import Request
from ultracloud.cli.core.settings import Target, with_text
from ultracloud.cli.core.tables import render
from ultracloud.cli.core.trees import Json, table_at, text_at
from ultracloud.cli.shell import credentials, logins, oidc, printer
from ultracloud.cli.shell.app import App
from ultracloud.cli.shell.terminal import BOLD, paint_error

UNAUTHORIZED = 401
WHO_AM_I = Request("GET", "/v1/whoami", repeatable=True)


@command("login", short_help="Log in, in the browser or with a token")
@click.option(
    "-u", "--user", metavar="NAME@ORG", help="Log in with a password, which is asked for; @FILE of --password has it."
)
@click.option("--password", metavar="@FILE|@-", help="The password from a file, or @- from stdin.")
@click.option("--token", metavar="@FILE|@-", help="A token from a file, or @- from stdin; it is not refreshed.")
@click.option("--token-file", metavar="FILE", help="A file that somebody else keeps fresh; read at each command.")
@click.option("--certificate", metavar="FILE", help="An operator's certificate.")
@click.option("--key", metavar="FILE", help="Its key.")
@click.option("--open/--no-open", "opens", default=True, help="Open the browser.")
@pass_app
def login(
    app: App,
    user: str | None,
    password: str | None,
    token: str | None,
    token_file: str | None,
    certificate: str | None,
    key: str | None,
    opens: bool,
) -> None:
    """Log in to the context's cloud. Without flags: a code that you enter in a browser, on any device."""
    if sum(given is not None for given in (user, token, token_file, certificate)) > 1:
        raise UsageFailure("one of --user, --token, --token-file and --certificate is accepted")
    if token_file or certificate:
        _change_target(app, token_file, certificate, key)
    elif token:
        _keep_token(app, token)
    elif user:
        _by_password(app, user, password)
    else:
        _device(app, opens=opens)
    _greet(app)


@command("logout", short_help="End the session and forget it")
@pass_app
def logout(app: App) -> None:
    """End the session at the server, and forget its tokens."""
    target = app.target
    try:
        kept = credentials.load(target.name, target.server)
    except Failure as failure:
        kept = None
        app.note(f"warning: {failure.sentence}")
    ended = kept is not None and oidc.revoke(app.stranger, kept)
    if not credentials.forget(target.name):
        sys.stdout.write("you were not logged in\n")
        return
    if not ended:
        app.note("warning: the server could not be told; its tokens end by themselves")
    sys.stdout.write("logged out\n")


@command("whoami", short_help="Who you are, and what holds for your commands")
@pass_app
def whoami(app: App) -> None:
    """Who the server takes you for, and which cloud and project your commands mean."""
    answer = app.send(WHO_AM_I)
    if not app.output.tabular:
        printer.print_document(app, answer)
        return
    target = app.chosen.target
    shown = {
        "you are": called(app, answer),
        **{key.replace("_", " "): _scalar(value) for key, value in table_at({"a": answer}, "a").items()},
        "server": target.server,
    }
    shown |= {"context": target.name, "commands mean project": target.project, "commands mean org": target.org}
    sys.stdout.write(render(("", ""), [(key, value) for key, value in shown.items() if value], bare=True))


def _device(app: App, *, opens: bool) -> None:
    endpoints = oidc.discover(app.stranger)
    code = oidc.begin(app.stranger, endpoints)
    where = code.uri_complete or code.uri
    app.note(f"Open {paint_error(where, BOLD)}\nand enter the code {paint_error(code.user_code, BOLD)}")
    if opens and sys.stderr.isatty() and where.startswith(("https://", "http://")):
        import webbrowser

        webbrowser.open(where)
    with app.progress as progress:
        progress.say("waiting until you have agreed in the browser ...")
        credential = oidc.poll(app.stranger, endpoints, code)
    credentials.store(app.target.name, credential)
    _adopt(app)


def _by_password(app: App, user: str, given: str | None) -> None:
    """A session for a name and a password; a code is asked for if the server wants one."""
    from ultracloud.cli.shell.documents import read_text

    if given is not None and not given.startswith("@"):
        raise UsageFailure("a password in arguments can be read by others; accepted: --password @FILE, or @- for stdin")
    password = read_text(given[1:]).rstrip("\n") if given else _asked_password()
    try:
        kept = logins.by_password(app.stranger, user, password)
    except Refusal as refused:
        if refused.status == UNAUTHORIZED and refused.reason not in logins.CODE_REASONS:
            # Another login is what this is, so it is no advice.
            raise Failure(
                refused.sentence,
                hint="who has forgotten the password is invited anew: `uc credential invite NAME`, by an administrator",
                exit_code=DENIED,
                request_id=refused.request_id,
            ) from refused
        if refused.reason not in logins.CODE_REASONS:
            raise
        code = str(click.prompt("Code of your authenticator app", err=True))
        kept = logins.by_password(app.stranger, user, password, code.strip())
    credentials.store(app.target.name, kept)
    _adopt(app)


def _asked_password() -> str:
    if not sys.stdin.isatty():
        raise UsageFailure(
            "nobody can be asked for the password, since stdin is no terminal",
            hint="--password @FILE, or @- for stdin; a build job takes a personal access token, --token @FILE",
        )
    return str(click.prompt("Password", hide_input=True, err=True))


def _keep_token(app: App, given: str) -> None:
    from ultracloud.cli.shell.documents import read_text

    if not given.startswith("@"):
        raise UsageFailure("a token in arguments can be read by others; accepted: --token @FILE, or @- for stdin")
    token = credentials.check_token(read_text(given[1:]).strip(), given[1:])
    if token.startswith(logins.PERSONAL_PREFIX):
        kept = logins.exchanged(app.stranger, token)
    else:
        kept = credentials.Credential(server=app.target.server, access_token=token)
    credentials.store(app.target.name, kept)
    _adopt(app)


def _change_target(app: App, token_file: str | None, certificate: str | None, key: str | None) -> None:
    """These are settings of the context, and replace a login."""
    target = app.target
    if not target.name:
        raise UsageFailure("this needs a context; `uc context add NAME --server URL` makes one")
    files = {"token_file": token_file, "certificate": certificate, "key": key}
    paths = {name: str(Path(value).expanduser().absolute()) for name, value in files.items() if value}
    for name, path in paths.items():
        if not Path(path).is_file():
            raise UsageFailure(f"--{name.replace('_', '-')}: there is no file {path}")
    credentials.forget(target.name)
    changed = replace(app.contexts.named(target.name), token_file="", certificate="", key="")
    for name, path in paths.items():
        changed = with_text(changed, name, path)
    _save(app, changed)


def _adopt(app: App) -> None:
    """What was logged in replaces other ways of the context to say who we are."""
    if app.target.name and (app.target.token_file or app.target.certificate):
        _save(app, replace(app.contexts.named(app.target.name), token_file="", certificate="", key=""))


def _save(app: App, target: Target) -> None:
    app.save(app.contexts.with_target(target))
    for cached in ("chosen", "link", "client", "stranger"):
        app.__dict__.pop(cached, None)


def _greet(app: App) -> None:
    """Prove the login, and say who it is."""
    answer: Json = app.client.call(WHO_AM_I)
    sys.stdout.write(f"logged in as {called(app, answer) or 'somebody'} at {app.target.server}\n")


def called(app: App, who: Json) -> str:
    """How people call whom the server takes us for: `ada@acme`; the principal where that cannot be read."""
    principal, organisation = text_at(who, "principal"), text_at(who, "organisation")
    kind, _, ident = principal.partition(":")
    if kind != "user" or not organisation:
        return principal
    place = f"/v1/organisations/{organisation}"
    try:
        user, owner = (
            app.client.call(Request("GET", path, repeatable=True)) for path in (f"{place}/users/{ident}", place)
        )
    except Failure:
        return principal
    names = [text_at(found, "metadata", "name") for found in (user, owner)]
    return "@".join(names) if all(names) else principal


def _scalar(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None or isinstance(value, dict | list) else str(value)
