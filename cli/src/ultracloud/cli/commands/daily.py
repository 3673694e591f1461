"""The verbs that docker's and kubectl's users have in their fingers, over the operations of the API."""

from __future__ import annotations

import os
import sys

import click

from ultracloud.cli.commands.base import app_of, command, span
from ultracloud.cli.commands.confirming import confirm_delete
from ultracloud.cli.commands.names import live_names
from ultracloud.cli.commands.waiting import REACHED, get_request, wait_for
from ultracloud.cli.core.api import Field, Noun
from ultracloud.cli.core.conditions import AsWanted, Gone, lingers
from ultracloud.cli.core.failures import Failure, UsageFailure
from ultracloud.cli.core.fields import parse_pair, parse_text
from ultracloud.cli.core.problems import Refusal
from ultracloud.cli.core.requests import make
from ultracloud.cli.core.trees import Json, text_at
from ultracloud.cli.shell import index, printer
from ultracloud.cli.shell.app import App

WAIT_S = 600.0
OF_PROJECTS = ("vm", "image", "flavour", "vpc", "subnet", "port", "securitygroup", "serviceaccount")
"""What `uc ls` looks for, in the order that it prints."""
NAME_LENGTH_MAX = 40
MEMORY_DIGITS_MAX = 9
"""A petabyte in MiB."""
NOT_FOUND_STATUS = 404
ABSENT = frozenset({501, 503})
"""A cloud without this service, or one that is away: the rest is shown all the same."""


def _complete_vm(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return live_names(ctx, "vm", incomplete)


def _complete_thing(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    kind, slash, rest = incomplete.partition("/")
    if slash:
        return [f"{kind}/{name}" for name in live_names(ctx, kind, rest)]
    return [
        *live_names(ctx, "vm", incomplete),
        *(f"{name}/" for name in index.listing() if name.startswith(incomplete)),
    ]


def _complete_kind(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    given = ctx.params.get("words") or ()
    if given:
        return live_names(ctx, given[0], incomplete)
    return [name for name in index.listing() if name.startswith(incomplete)]


vm_names = click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=_complete_vm)
thing_names = click.argument("names", nargs=-1, required=True, metavar="[KIND/]NAME...", shell_complete=_complete_thing)


@command("ps", short_help="Virtual machines that run; -a for all")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that do not run.")
@click.option("-A", "--all-projects", is_flag=True, help="In every project that you may see.")
@click.option("-l", "--selector", help="Labels: tier=web,env in (a,b).")
@click.pass_context
def ps(ctx: click.Context, everything: bool, all_projects: bool, selector: str | None) -> None:
    """Virtual machines that run; -a also those that do not."""
    app, noun = app_of(ctx), index.noun("vm")
    items = _items(app, noun, "-" if all_projects else app.project, selector)
    shown = items if everything else [item for item in items if text_at(item, "status", "power") == "RUNNING"]
    printer.print_items(app, noun, shown)


@command("ls", short_help="What is in the project, or all of a kind")
@click.argument("kind", required=False, metavar="[KIND]", shell_complete=_complete_kind)
@click.option("-l", "--selector", help="Labels: tier=web,env in (a,b).")
@click.pass_context
def ls(ctx: click.Context, kind: str | None, selector: str | None) -> None:
    """All of a kind; without one, everything that is in the project."""
    app = app_of(ctx)
    if kind:
        noun = index.noun(kind)
        printer.print_items(app, noun, _items(app, noun, "", selector))
        return
    found = _whole_project(app, selector)
    if app.output.format in ("json", "yaml", "jsonpath"):
        printer.print_document(app, found)
    elif not any(found.values()):
        app.note(f"nothing is in the project {app.project}")


def _whole_project(app: App, selector: str | None) -> dict[str, Json]:
    """All that is in the project, by kind; printed as it comes where that is a table."""
    found: dict[str, Json] = {}
    unknown: dict[str, list[str]] = {}
    for name in OF_PROJECTS:
        if name not in index.listing():
            continue
        noun = index.noun(name)
        try:
            items = _items(app, noun, app.project, selector)
        except Refusal as refused:
            if refused.status not in ABSENT:
                raise
            unknown.setdefault(refused.sentence, []).append(noun.plural)
            continue
        found[noun.plural] = items
        if items and app.output.tabular:
            sys.stdout.write(f"{noun.plural.upper()}\n")
            printer.print_items(app, noun, items)
            sys.stdout.write("\n")
        elif items and app.output.format in ("name", "id"):
            printer.print_items(app, noun, items)
    for sentence, plurals in unknown.items():
        app.note(f"warning: {', '.join(plurals)} are not known: {sentence}")
    return found


@command("get", short_help="Read or list: `get vms`, `get vm web`, `get vm/web`")
@click.argument(
    "words", nargs=-1, required=True, metavar="KIND [NAME...] | KIND/NAME...", shell_complete=_complete_kind
)
@click.option("-l", "--selector", help="Labels: tier=web,env in (a,b).")
@click.option("-A", "--all-projects", is_flag=True, help="In every project that you may see.")
@click.pass_context
def get(ctx: click.Context, words: tuple[str, ...], selector: str | None, all_projects: bool) -> None:
    """Read or list, in kubectl's order of words: `uc get vms`, `uc get vm web db`, `uc get vm/web vpc/net`."""
    app = app_of(ctx)
    if "/" in words[0]:
        for name in words:
            noun, ref = thing(name)
            printer.print_one(app, noun, app.send(get_request(app, noun, ref)))
        return
    noun = index.noun(words[0])
    if len(words) == 1:
        printer.print_items(app, noun, _items(app, noun, "-" if all_projects else "", selector))
        return
    found = [app.send(get_request(app, noun, ref)) for ref in words[1:]]
    printer.print_one(app, noun, found[0]) if len(found) == 1 else printer.print_items(app, noun, found)


@command("inspect", short_help="All of one thing, as YAML")
@thing_names
@click.pass_context
def inspect(ctx: click.Context, names: tuple[str, ...]) -> None:
    """All of one thing, as YAML; a bare name is a virtual machine's."""
    app = app_of(ctx)
    for at_index, name in enumerate(names):
        noun, ref = thing(name)
        if at_index and app.output.format in ("table", "wide", "yaml"):
            sys.stdout.write("---\n")
        printer.print_document(app, printer.with_kind(noun, app.send(get_request(app, noun, ref))), noun.name)


@command("rm", short_help="Delete: virtual machines, or KIND/NAME")
@thing_names
@click.option("-f", "--ignore-not-found", is_flag=True, help="What is not there is deleted.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before a project or an organisation is deleted.")
@click.option("--wait", "waits", is_flag=True, help="Until it is gone.")
@click.option("--timeout", callback=span, metavar="SPAN", help="How long to wait; 10m.")
@click.pass_context
def rm(
    ctx: click.Context, names: tuple[str, ...], ignore_not_found: bool, yes: bool, waits: bool, timeout: float | None
) -> None:
    """Delete: a bare name is a virtual machine's, everything else is KIND/NAME."""
    app = app_of(ctx)
    for name in names:
        confirm_delete(app, thing(name)[0], [thing(name)[1]], yes=yes)
    for name in names:
        noun, ref = thing(name)
        if "delete" not in noun.operations:
            raise UsageFailure(f"a {noun.name} cannot be deleted")
        delete = noun.operations["delete"]
        places = _places(app, noun, ref)
        request = make(delete, places, at_root="organisation" not in places and bool(delete.root_path))
        try:
            resource = app.send(request)
        except Failure as refused:
            if ignore_not_found and getattr(refused, "status", 0) == NOT_FOUND_STATUS:
                continue
            raise
        if waits:
            wait_for(app, noun, resource, Gone(), timeout or WAIT_S)
        done = "is being deleted" if not waits and lingers(resource) else "deleted"
        printer.print_done(app, noun, resource, done)


def _power(
    app: App, verb: str, names: tuple[str, ...], *, force: bool, waits: bool, timeout_s: float | None, done: str
) -> None:
    noun = index.noun("vm")
    operation = noun.operations[verb]
    for name in names:
        body: Json = {"force": True} if force else {}
        request = make(operation, {"project": app.project, "ref": name.removeprefix("vm/")}, (), body)
        resource = app.send(request)
        if waits:
            resource = wait_for(app, noun, resource, AsWanted(), timeout_s or WAIT_S)
        printer.print_done(app, noun, resource, REACHED[verb] if waits else done)


wait_flag = click.option("--wait", "waits", is_flag=True, help="Until it is so.")
timeout_flag = click.option("--timeout", callback=span, metavar="SPAN", help="How long to wait; 10m.")
force_flag = click.option("--force", is_flag=True, help="Pull the plug instead of asking the guest.")


@command("start", short_help="Start virtual machines")
@vm_names
@wait_flag
@timeout_flag
@click.pass_context
def start(ctx: click.Context, names: tuple[str, ...], waits: bool, timeout: float | None) -> None:
    """Start virtual machines."""
    _power(app_of(ctx), "start", names, force=False, waits=waits, timeout_s=timeout, done="is starting")


@command("stop", short_help="Stop virtual machines")
@vm_names
@force_flag
@wait_flag
@timeout_flag
@click.pass_context
def stop(ctx: click.Context, names: tuple[str, ...], force: bool, waits: bool, timeout: float | None) -> None:
    """Stop virtual machines."""
    _power(app_of(ctx), "stop", names, force=force, waits=waits, timeout_s=timeout, done="is stopping")


@command("restart", short_help="Reboot virtual machines")
@vm_names
@force_flag
@wait_flag
@timeout_flag
@click.pass_context
def restart(ctx: click.Context, names: tuple[str, ...], force: bool, waits: bool, timeout: float | None) -> None:
    """Reboot virtual machines."""
    _power(app_of(ctx), "reboot", names, force=force, waits=waits, timeout_s=timeout, done="is rebooting")


@command("run", short_help="Make a virtual machine from an image and start it")
@click.argument("image", shell_complete=lambda ctx, _param, text: live_names(ctx, "image", text))
@click.option("-n", "--name", help="Its name; made from the image's if none is given.")
@click.option(
    "-s",
    "--flavour",
    "--flavor",
    metavar="FLAVOUR",
    help="Its size.",
    shell_complete=lambda ctx, _param, text: live_names(ctx, "flavour", text),
)
@click.option("-c", "--cpus", metavar="N", help="Virtual CPUs, instead of a flavour.")
@click.option("-m", "--memory", metavar="MIB", help="Memory in MiB, or 4G, instead of a flavour.")
@click.option(
    "--network",
    "--subnet",
    "networks",
    multiple=True,
    metavar="SUBNET",
    help="A network card in this subnet. May be given several times.",
    shell_complete=lambda ctx, _param, text: live_names(ctx, "subnet", text),
)
@click.option(
    "--security-group",
    "--sg",
    "groups",
    multiple=True,
    metavar="GROUP",
    help="For all of its cards. May be given several times.",
)
@click.option(
    "--ssh-key", "keys", multiple=True, metavar="KEY|@FILE", help="Who may log in. May be given several times."
)
@click.option("--user-data", metavar="TEXT|@FILE", help="For cloud-init.")
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="May be given several times.")
@click.option("-d", "--detach", is_flag=True, help="Do not wait until it runs.")
@timeout_flag
@click.pass_context
def run(
    ctx: click.Context, image: str, name: str | None, flavour: str | None, cpus: str | None, memory: str | None,
    networks: tuple[str, ...], groups: tuple[str, ...], keys: tuple[str, ...], user_data: str | None,
    labels: tuple[str, ...], detach: bool, timeout: float | None,
) -> None:  # fmt: skip
    """Make a virtual machine from an image, start it, and wait until it runs: `uc run debian-12 -n web --network a`."""
    app, noun = app_of(ctx), index.noun("vm")
    operation = noun.operations["create"]
    spec: dict[str, Json] = {"image": image, **_size(app, noun, flavour, cpus, memory)}
    if networks:
        nics: list[Json] = [{"subnet": network, "security_groups": list(groups)} for network in networks]
        spec["nics"] = nics
    elif groups:
        raise UsageFailure("--security-group needs --network: groups are of network cards")
    if keys:
        spec["ssh_keys"] = [_content(key).strip() for key in keys]
    if user_data:
        spec["user_data"] = _content(user_data)
    body: dict[str, Json] = {"name": name or made_name(image, os.urandom(3).hex()), "spec": spec}
    if labels:
        body["labels"] = dict(parse_pair(Field("labels"), text, "--label", noun) for text in labels)
    headers = {"Idempotency-Key": os.urandom(16).hex()}
    resource = app.send(make(operation, {"project": app.project}, (), body, headers))
    if not detach:
        resource = wait_for(app, noun, resource, AsWanted(), timeout or WAIT_S)
    printer.print_done(app, noun, resource, "created" if detach else "runs")


def _size(app: App, noun: Noun, flavour: str | None, cpus: str | None, memory: str | None) -> dict[str, Json]:
    """How large a machine is to be.

    Raises:
        UsageFailure: It is not said, or is no size.
    """
    size: dict[str, Json] = {"flavour": flavour} if flavour else {}
    if cpus:
        size["vcpus"] = parse_text(Field("vcpus", "integer", low=1), cpus, "--cpus", noun)
    if memory:
        size["memory_mib"] = parse_memory(memory)
    if app.project and not flavour and not (cpus and memory):
        raise UsageFailure(
            "how large it is to be is not said; accepted: -s FLAVOUR, or -c CPUS with -m MEMORY",
            hint="`uc flavour list` shows the flavours of the project",
        )
    return size


def parse_memory(text: str) -> int:
    """MiB of `2048`, `2048M`, `4G`, `4GiB`.

    Raises:
        UsageFailure: It is none of these.
    """
    word = text.strip().lower().removesuffix("ib").removesuffix("b")
    factor = {"m": 1, "g": 1024, "t": 1024 * 1024}.get(word[-1:], 0)
    digits = word[:-1] if factor else word
    if not digits.isdigit() or len(digits) > MEMORY_DIGITS_MAX:
        raise UsageFailure(f"--memory: {text[:40]!r} is no size; accepted: 2048, 2048M, 4G")
    return int(digits) * (factor or 1)


def made_name(image: str, suffix: str) -> str:
    """A name for a machine that was given none: `debian-12-4f8a2c`."""
    base = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in image.lower()).strip("-")
    base = base[:NAME_LENGTH_MAX].strip("-")
    return f"{base if base[:1].isalpha() else 'vm'}-{suffix}"


def thing(name: str) -> tuple[Noun, str]:
    """`vpc/net` is of its kind; a bare name is a virtual machine's.

    Raises:
        Failure: There is no such kind.
    """
    kind, slash, ref = name.partition("/")
    return (index.noun(kind), ref) if slash else (index.noun("vm"), name)


def _items(app: App, noun: Noun, project: str, selector: str | None) -> list[Json]:
    operation = noun.operations.get("list")
    if operation is None:
        raise UsageFailure(f"a {noun.name} cannot be listed")
    places: dict[str, str] = {}
    at_root = bool(operation.root_path) and not app.chosen.target.org
    if "project" in operation.places:
        places["project"] = project or app.project
    if "organisation" in operation.places and not at_root:
        places["organisation"] = app.organisation
    request = make(operation, places, (("selector", selector),) if selector else (), at_root=at_root)
    app.show(request)
    return app.client.all(request)


def _places(app: App, noun: Noun, ref: str) -> dict[str, str]:
    from ultracloud.cli.commands.kinds import get_request_places

    return get_request_places(app, noun, ref)


def _content(text: str) -> str:
    from ultracloud.cli.shell.documents import read_text

    return read_text(text[1:]) if text.startswith("@") and not text.startswith("@@") else text.removeprefix("@")
