"""Everything that one command has: what was typed, what holds of it, the client, and where output goes.

All of it is made when it is first asked for: `--help` needs none of it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ultracloud.cli.core.failures import DENIED, OK, Failure, UsageFailure
from ultracloud.cli.core.trees import Json
from ultracloud.cli.shell.terminal import Progress

if TYPE_CHECKING:
    from ultracloud.cli.core.outputs import Output
    from ultracloud.cli.core.requests import Request
    from ultracloud.cli.core.settings import Chosen, Contexts, Target
    from ultracloud.cli.shell.client import Client
    from ultracloud.cli.shell.link import Link

READING = frozenset({"GET", "HEAD"})
REQUEST_S = 30.0


class Printed(Exception):  # noqa: N818 - not an error: a way to end
    """What would be sent was printed instead."""

    exit_code = OK


class App:
    """One command's surroundings.

    Attributes:
        flags: What was typed of the common flags, by name; the last one wins.
    """

    def __init__(self) -> None:
        self.flags: dict[str, object] = {}
        self._exchanged = ""

    def text(self, flag: str) -> str:
        """A common flag's value; empty if it was not given."""
        value = self.flags.get(flag)
        return value if isinstance(value, str) else ""

    def on(self, flag: str) -> bool:
        """Whether a common flag was given."""
        return bool(self.flags.get(flag))

    @cached_property
    def contexts(self) -> Contexts:
        """All contexts."""
        from ultracloud.cli.core.settings import FILE_BYTES_MAX, Contexts, parse_contexts
        from ultracloud.cli.shell import places
        from ultracloud.cli.shell.files import read_bounded

        content = read_bounded(places.contexts_file(), FILE_BYTES_MAX)
        return parse_contexts(parse_toml(content, places.contexts_file())) if content else Contexts()

    def save(self, contexts: Contexts) -> None:
        """Keep these contexts instead."""
        from ultracloud.cli.core.settings import render_contexts
        from ultracloud.cli.shell import places
        from ultracloud.cli.shell.files import write_private

        write_private(places.contexts_file(), render_contexts(contexts).encode())
        self.contexts = contexts

    @cached_property
    def chosen(self) -> Chosen:
        """What holds for this command."""
        from ultracloud.cli.core.settings import choose

        flags = {name: self.text(name) for name in ("context", "server", "project", "org")}
        return choose(self.contexts, self.pinned, os.environ, flags)

    @cached_property
    def pinned(self) -> dict[str, str]:
        """What the directory's project file says."""
        from ultracloud.cli.core.settings import FILE_BYTES_MAX, parse_project_file
        from ultracloud.cli.shell import places
        from ultracloud.cli.shell.files import read_bounded

        try:
            path = places.project_file(Path.cwd())
        except OSError:
            return {}  # the directory is gone
        return parse_project_file(parse_toml(read_bounded(path, FILE_BYTES_MAX), path)) if path else {}

    @property
    def target(self) -> Target:
        """The cloud.

        Raises:
            Failure: None is named.
        """
        target = self.chosen.target
        if not target.server:
            raise Failure(
                "no cloud is named",
                hint="`uc context add NAME --server https://HOST:PORT`, then `uc login`; or set ULTRACLOUD_SERVER",
            )
        return target

    @property
    def project(self) -> str:
        """The project.

        Raises:
            Failure: None is named, or no cloud.
        """
        if not self.target.project:
            raise UsageFailure(
                "no project is named", hint="-p PROJECT, or `uc context set --project PROJECT` to keep it"
            )
        return self.chosen.target.project

    @property
    def organisation(self) -> str:
        """The organisation.

        Raises:
            Failure: None is named, or no cloud.
        """
        if not self.target.org:
            raise UsageFailure("no organisation is named", hint="--org NAME, or `uc context set --org NAME` to keep it")
        return self.chosen.target.org

    @cached_property
    def output(self) -> Output:
        """What `-o` asks for."""
        from ultracloud.cli.core.outputs import parse_output

        text = self.text("output") or ("" if self.on("quiet") else os.environ.get("ULTRACLOUD_OUTPUT", ""))
        if not text and self.on("quiet"):
            text = "id"
        return parse_output(text, bare=self.on("no_headers"), sort_by=self.text("sort_by"))

    def check_output(self) -> None:
        """Refuse a form of output that there is not, before anything is changed."""
        _ = self.output

    @cached_property
    def progress(self) -> Progress:
        """The line of stderr."""
        return Progress(quiet=self.on("quiet"))

    @cached_property
    def link(self) -> Link:
        """The connection."""
        from ultracloud.cli.shell.link import Link

        seconds = self.flags.get("request_timeout")
        log: Callable[[str], None] | None = self.note if self.on("debug") else None
        return Link(self.target, seconds if isinstance(seconds, float) and seconds > 0 else REQUEST_S, log)

    @cached_property
    def client(self) -> Client:
        """Calls with our identity."""
        from ultracloud.cli.shell.client import Client

        return Client(self.link, self.authorise, self.progress.say, persistent=not self.on("once"))

    @cached_property
    def stranger(self) -> Client:
        """Calls without an identity."""
        from ultracloud.cli.shell.client import Client, anonymous

        return Client(self.link, anonymous, self.progress.say, persistent=not self.on("once"))

    def authorise(self, again: bool) -> str:  # noqa: FBT001 - the shape of client.Authorise
        """The Authorization header; `again` after a refusal asks for a new token.

        Raises:
            Failure: There is no login.
        """
        from ultracloud.cli.shell import credentials, logins

        chosen = self.chosen
        if chosen.token:
            return "" if again else "Bearer " + self._usable(credentials.check_token(chosen.token, "ULTRACLOUD_TOKEN"))
        if chosen.target.token_file:
            return "" if again else "Bearer " + self._usable(credentials.from_file(chosen.target.token_file))
        kept = credentials.load(chosen.target.name, chosen.target.server)
        if kept is None:
            if chosen.target.certificate:
                return ""  # an operator's certificate says who we are
            raise Failure("you are not logged in", hint="run `uc login`", exit_code=DENIED)
        if kept.refresh_token and (again or not kept.fresh(time.time())):
            kept = credentials.renewed(chosen.target.name, kept, lambda stale: logins.refresh(self.stranger, stale))
        elif again:
            return ""
        return "Bearer " + kept.access_token

    def _usable(self, token: str) -> str:
        """The access token; for a personal one the gateway gives one, once in a command."""
        from ultracloud.cli.shell import logins

        if not token.startswith(logins.PERSONAL_PREFIX):
            return token
        if not self._exchanged:
            self._exchanged = logins.exchanged(self.stranger, token).access_token
        return self._exchanged

    def send(self, request: Request, *, needs_login: bool = True) -> Json:
        """The answer of a request, unless it is only to be shown."""
        self.show(request)
        return (self.client if needs_login else self.stranger).call(request)

    def show(self, request: Request) -> None:
        """With --curl, or --dry-run for what changes something: print the request, and end.

        Raises:
            Printed: It was printed.
        """
        self.check_output()
        output, target = self.output, self.target
        if self.on("curl"):
            from ultracloud.cli.core.requests import curl

            line = curl(request, target.server, ca=target.ca, certificate=target.certificate, key=target.key)
            sys.stdout.write(line + "\n")
            raise Printed
        if self.on("dry_run") and request.method not in READING:
            self.print_plan(request, output)
            raise Printed

    def print_plan(self, request: Request, output: Output) -> None:
        """A request as a document."""
        from ultracloud.cli.core.outputs import render
        from ultracloud.cli.shell.documents import to_yaml

        plan: Json = {"method": request.method, "path": request.target, "body": request.body}
        sys.stdout.write(render(output, plan, "") if output.format == "json" else to_yaml(plan))

    def note(self, line: str) -> None:
        """A line for stderr, whatever is asked to be quiet."""
        self.progress.clear()
        sys.stderr.write(line + "\n")


def parse_toml(content: bytes, path: Path) -> Json:
    """A TOML file's content.

    Raises:
        UsageFailure: It is none.
    """
    import tomllib

    try:
        return tomllib.loads(content.decode())
    except ValueError as error:
        raise UsageFailure(f"{path} is no TOML: {error}") from error
