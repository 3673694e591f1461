"""One operation of the index as a command: its places as arguments, its fields as flags.

What a verb means to people is added by its name: `list` pages and watches, `create` takes a name and a file, `update`
takes `field=value` words, `delete` may wait until it is gone.
"""

from __future__ import annotations

import os
from typing import Any

import click

from ultracloud.cli.commands.base import Command, app_of
from ultracloud.cli.commands.confirming import confirm_delete
from ultracloud.cli.commands.parameters import NEVER_FLAGS, arguments_of, flags_of, is_secret, option_of, options_of
from ultracloud.cli.core import bodies, flags
from ultracloud.cli.core.api import Noun, Operation
from ultracloud.cli.core.conditions import AsWanted, Ended, Gone, lingers
from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.fields import parse_text
from ultracloud.cli.core.problems import Refusal
from ultracloud.cli.core.requests import Request, make
from ultracloud.cli.core.trees import Json, text_at
from ultracloud.cli.shell import index, printer
from ultracloud.cli.shell.app import App

WAIT_S = 600.0
NOT_FOUND_STATUS, FORBIDDEN_STATUS = 404, 403
ALL_PROJECTS = "-"
REFS_MAX = 1000


class OperationCommand(Command):
    """The command of an operation."""

    def __init__(self, noun: Noun, operation: Operation) -> None:
        self.noun, self.operation = noun, operation
        self.flags = flags_of(noun, operation)
        super().__init__(
            operation.verb,
            params=[*arguments_of(noun, operation), *options_of(noun, operation), *map(option_of, self.flags)],
            callback=click.pass_context(self._run),
            help="\n\n".join(
                text
                for text in (operation.summary.replace("`", "") + ".", operation.doc, _example(noun, operation))
                if text
            ),
            short_help=operation.summary,
        )

    def _run(self, ctx: click.Context, **values: Any) -> None:
        app = app_of(ctx)
        Call(app, self.noun, self.operation, self.flags, values).run()


class Call:
    """One run of an operation's command.

    Args:
        app: Surroundings.
        noun: Of the operation.
        operation: What is called.
        flags: Its fields as flags.
        values: What was typed, by parameter.
    """

    def __init__(
        self, app: App, noun: Noun, operation: Operation, given: list[flags.Flag], values: dict[str, Any]
    ) -> None:
        self.app, self.noun, self.operation = app, noun, operation
        self.flags, self.values = given, values

    def run(self) -> None:
        """Send it, and print what comes."""
        if self.operation.verb == "list":
            self._list()
        elif self.operation.stream == "ndjson":
            self._stream()
        elif self.operation.verb == "create":
            self._create()
        else:
            self._each()

    def _list(self) -> None:
        request = self._request("", query=self._query())
        if not self.noun.kind:
            printer.print_answer(self.app, self.noun, self.operation.answer, self.app.send(request))
            return
        if self.values.get("watch"):
            watch = self.noun.operations["watch"]
            request = make(watch, self._places(""), self._query(), at_root=self._at_root())
            self.app.show(request)
            printer.print_events(self.app, self.noun, self.app.client.events(request))
            return
        self.app.show(request)
        printer.print_items(self.app, self.noun, self._all(request))

    def _all(self, request: Request) -> list[Json]:
        """All items; who may not ask for all projects at once is given those of their organisation one by one."""
        limit = self.values.get("limit") or 0
        try:
            return self.app.client.all(request, limit)
        except Refusal as refused:
            if not self.values.get("all_projects") or refused.status != FORBIDDEN_STATUS:
                raise
        projects = index.noun("project").operations["list"]
        found: list[Json] = []
        for project in self.app.client.all(make(projects, {"organisation": self.app.organisation})):
            places = {"project": text_at(project, "metadata", "name")}
            found += self.app.client.all(
                make(self.operation, places, self._query()), limit - len(found) if limit else 0
            )
            if limit and len(found) >= limit:
                break
        return found

    def _stream(self) -> None:
        request = self._request(next(iter(self._refs()), ""), query=self._query())
        self.app.show(request)
        if self.operation.verb == "watch":
            printer.print_events(self.app, self.noun, self.app.client.events(request))
            return
        for message in self.app.client.stream(request):
            printer.print_document(self.app, message)

    def _create(self) -> None:
        body = self._body()
        if self.values.get("name"):
            body["name"] = self.values["name"]
        flags.require(self.noun, self.operation.body, body, NEVER_FLAGS)
        made = self.app.send(self._request("", body=body), needs_login=not self.operation.open)
        if self.operation.answer == self.noun.kind and self.noun.kind:
            self._finish(made, "created")
        else:
            # What is said once, and never again, stands here: the text of a token.
            printer.print_answer(self.app, self.noun, self.operation.answer, made)

    def _each(self) -> None:
        refs = self._refs()
        body: Json = self._body() if self.operation.body else None
        if self.operation.verb == "update":
            words = tuple(self.values.get("changes") or ())
            assert isinstance(body, dict)
            for path, value in _leaves(bodies.patch_of_words(words, self.noun, self.operation.body)):
                flags.assemble(body, {path: value})
            body.pop("name", None)
            if not body:
                raise UsageFailure("nothing is changed; accepted: FIELD=VALUE words, flags, or -f FILE")
        elif isinstance(body, dict):
            flags.require(self.noun, self.operation.body, body, NEVER_FLAGS)
        if self.operation.verb == "delete":
            confirm_delete(self.app, self.noun, refs, yes=bool(self.values.get("yes")))
        for ref in refs:
            self._one(ref, body)

    def _one(self, ref: str, body: Json) -> None:
        request = self._request(ref, query=self._query(), body=body)
        try:
            answer = self.app.send(request, needs_login=not self.operation.open)
        except Exception as refused:
            if self.values.get("ignore_not_found") and getattr(refused, "status", 0) == NOT_FOUND_STATUS:
                return
            raise
        if self.operation.verb == "get":
            printer.print_one(self.app, self.noun, answer)
        elif self.operation.answer == self.noun.kind and self.noun.kind:
            self._finish(answer, _done(self.operation.verb))
        else:
            printer.print_answer(self.app, self.noun, self.operation.answer, answer)

    def _finish(self, resource: Json, done: str) -> None:
        if self.values.get("wait"):
            from ultracloud.cli.commands.waiting import REACHED, wait_for

            goal = (
                Gone() if self.operation.verb == "delete" else Ended() if self.noun.name == "operation" else AsWanted()
            )
            resource = wait_for(self.app, self.noun, resource, goal, self.values.get("timeout") or WAIT_S)
            done = REACHED.get(self.operation.verb, f"{done}, ready")
        elif self.operation.verb == "delete" and lingers(resource):
            done = "is being deleted"
        printer.print_done(self.app, self.noun, resource, done)

    def _refs(self) -> tuple[str, ...]:
        given = self.values.get("ref")
        refs = given if isinstance(given, tuple) else (given,) if given else ("",)
        if len(refs) > REFS_MAX:
            raise UsageFailure(f"{len(refs)} names; at most {REFS_MAX} are accepted")
        # `vm/web`, as -o name prints it, is accepted where `web` is.
        return tuple(ref.removeprefix(f"{self.noun.name}/") for ref in refs)

    def _places(self, ref: str) -> dict[str, str]:
        places = {
            name: str(value)
            for name in self.operation.places
            if (value := self.values.get(name)) is not None and name != "ref"
        }
        if ref:
            places["ref"] = ref
        if "project" in self.operation.places:
            places["project"] = ALL_PROJECTS if self.values.get("all_projects") else self.app.project
        if "organisation" in self.operation.places and not self._at_root():
            places["organisation"] = self.app.organisation
        return places

    def _at_root(self) -> bool:
        return bool(self.operation.root_path) and (bool(self.values.get("root")) or not self.app.chosen.target.org)

    def _request(self, ref: str, query: tuple[tuple[str, str], ...] = (), body: Json = None) -> Request:
        headers: dict[str, str] = {}
        if self.operation.idempotent:
            headers["Idempotency-Key"] = self.values.get("idempotency_key") or os.urandom(16).hex()
        if self.values.get("if_match"):
            headers["If-Match"] = f'"{self.values["if_match"]}"'
        return make(self.operation, self._places(ref), query, body, headers, at_root=self._at_root())

    def _query(self) -> tuple[tuple[str, str], ...]:
        pairs: list[tuple[str, str]] = []
        for field in self.operation.query:
            value = self.values.get("query_" + field.name)
            if field.name in ("selector", "filter"):
                value = self.values.get(field.name)
            if value not in (None, "", ()):
                where = "--" + field.name.replace("_", "-")
                pairs.append((field.name, query_text(parse_text(field, str(value), where, self.noun))))
        return tuple(pairs)

    def _body(self) -> dict[str, Json]:
        base: dict[str, Json] = {}
        if self.values.get("file"):
            from ultracloud.cli.shell.documents import read_one

            base = bodies.from_document(read_one(self.values["file"]), self.noun, self.operation.body)
        given: dict[tuple[str, ...], Json] = {}
        for flag in self.flags:
            texts = self.values.get(flag.key)
            if texts in (None, ()):
                continue
            texts = texts if isinstance(texts, tuple) else (str(texts),)
            given[flag.path] = flags.value_of(flag, tuple(expand(flag, text) for text in texts), self.noun)
        return flags.assemble(base, given)


def expand(flag: flags.Flag, text: str) -> str:
    """`@file` and `@-` are what stands there; `@@x` is `@x`. A secret is taken from nowhere else.

    Raises:
        UsageFailure: A secret stands in the arguments, where every user of the machine can read it.
    """
    if flag.field.kind not in ("string", "bytes") or flag.field.accepted:
        return text
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@") and len(text) > 1:
        from ultracloud.cli.shell.documents import read_text

        content = read_text(text[1:])
        return content.rstrip("\n") if is_secret(flag.field) or flag.repeated else content
    if is_secret(flag.field):
        raise UsageFailure(
            f"{flag.names[0]} is a secret and does not belong in arguments; accepted: @FILE, or @- for stdin"
        )
    return text


def query_text(value: Json) -> str:
    """A value in a query."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _example(noun: Noun, operation: Operation) -> str:
    return (
        f"Fields of a {noun.name}: `uc explain {noun.name}`."
        if operation.verb in ("create", "update") and noun.kind
        else ""
    )


def _done(verb: str) -> str:
    """`started` of start, `stopped` of stop."""
    known = {
        "update": "changed",
        "delete": "deleted",
        "start": "is starting",
        "stop": "is stopping",
        "reboot": "is rebooting",
    }
    return known.get(verb, f"{verb} done")


def _leaves(tree: dict[str, Json], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Json]]:
    made: list[tuple[tuple[str, ...], Json]] = []
    for name, value in tree.items():
        here = (*path, name)
        made += _leaves(value, here) if isinstance(value, dict) and value else [(here, value)]
    return made
