"""`-o`: what was asked for, and a document in that form."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ultracloud.cli.core import jsonpath
from ultracloud.cli.core.failures import UsageFailure
from ultracloud.cli.core.suggest import did_you_mean
from ultracloud.cli.core.tables import natural
from ultracloud.cli.core.trees import Json, items_at, text_at

FORMATS = ("table", "wide", "json", "yaml", "name", "id", "jsonpath=")


@dataclass(frozen=True, slots=True)
class Output:
    """What was asked for.

    Attributes:
        format: table, wide, json, yaml, name, id or jsonpath.
        template: Of jsonpath.
        bare: Without headings.
        sort_by: Steps of --sort-by; empty leaves the server's order.
    """

    format: str = "table"
    template: tuple[jsonpath.Part, ...] = ()
    bare: bool = False
    sort_by: tuple[jsonpath.Step, ...] = ()

    @property
    def tabular(self) -> bool:
        """Whether it is for people."""
        return self.format in ("table", "wide")


def parse_output(text: str, *, bare: bool = False, sort_by: str = "") -> Output:
    """What `-o` means.

    Raises:
        UsageFailure: It is none of FORMATS, or the template is wrong.
    """
    steps = jsonpath.parse_path(sort_by.strip("{}")) if sort_by else ()
    head, _, rest = text.partition("=")
    if head == "jsonpath" and rest:
        return Output("jsonpath", jsonpath.parse_template(rest), bare, steps)
    if text not in ("", *FORMATS[:-1]):
        raise UsageFailure(
            f"-o {text[:60]!r} is not known; accepted: {', '.join(FORMATS)}...", hint=did_you_mean(text, FORMATS)
        )
    return Output(text or "table", (), bare, steps)


def sort(items: list[Json], steps: tuple[jsonpath.Step, ...]) -> list[Json]:
    """By what the steps lead to, as people sort; what has nothing there comes last."""
    if not steps:
        return items
    return sorted(
        items, key=lambda item: natural(" ".join(jsonpath.shown(found) for found in jsonpath.find(steps, item)))
    )


def render(output: Output, document: Json, noun: str) -> str:
    """A document in a form that is not a table; YAML is the shell's, which has the library."""
    match output.format:
        case "jsonpath":
            return jsonpath.render(output.template, document)
        case "name" | "id":
            return "".join(f"{line}\n" for line in _names(output.format, document, noun))
        case _:
            return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _names(form: str, document: Json, noun: str) -> list[str]:
    several = items_at(document, "items") if isinstance(document, dict) and "items" in document else [document]
    if form == "id":
        return [text_at(item, "metadata", "id") for item in several]
    return [f"{noun}/{text_at(item, 'metadata', 'name')}" for item in several]
