"""The words of `uc explain`: what a kind or a field is, and what is in it."""

from __future__ import annotations

from ultracloud.cli.core.api import Field, Noun
from ultracloud.cli.core.failures import NOT_FOUND, Failure
from ultracloud.cli.core.suggest import did_you_mean
from ultracloud.cli.core.tables import render

DOC_WIDTH = 88


def explain(noun: Noun, path: tuple[str, ...]) -> str:
    """What stands at a path of a kind.

    Raises:
        Failure: There is no such field; the sentence names those that there are.
    """
    field, fields = Field(noun.name, "message", noun.kind), noun.fields(noun.kind)
    for at, name in enumerate(path):
        known = {member.name: member for member in fields}
        bare = name.partition("[")[0].replace("-", "_")
        if bare not in known:
            where = ".".join((noun.name, *path[:at]))
            raise Failure(
                f"{where} has no field {name[:60]!r}; there are: {', '.join(known) or 'none'}",
                hint=did_you_mean(bare, known),
                exit_code=NOT_FOUND,
            )
        field = known[bare]
        fields = noun.fields(field.message)
    lines = [f"{'.'.join((noun.name, *path))}  <{type_of(field)}>\n"]
    if field.doc:
        lines.append("\n" + "".join(f"    {line}\n" for line in wrapped(field.doc)))
    if field.accepted:
        lines.append(
            "\nACCEPTED\n    " + ", ".join(word for word in field.accepted if "UNSPECIFIED" not in word) + "\n"
        )
    if fields:
        rows = [(f"    {member.name}", f"<{type_of(member)}>", first_sentence(member)) for member in fields]
        lines.append("\nFIELDS\n" + render(("", "", ""), rows, bare=True))
    return "".join(lines)


def type_of(field: Field) -> str:
    """`integer`, `list of Nic`, `map of string`, with what is known of it."""
    kind = field.message if field.kind == "message" else field.kind
    shape = {"many": f"list of {kind}", "map": f"map of {kind}"}.get(field.shape, kind)
    marks = [
        mark
        for mark, on in (("required", field.required), ("read only", field.read_only), ("secret", field.secret))
        if on
    ]
    return ", ".join([shape, *marks])


def first_sentence(field: Field) -> str:
    """As much of the description as fits a line."""
    line = " ".join(field.doc.split())
    return line if len(line) <= DOC_WIDTH else line[: DOC_WIDTH - 3].rsplit(" ", 1)[0] + "..."


def wrapped(text: str) -> list[str]:
    """Lines of at most DOC_WIDTH characters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > DOC_WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines
