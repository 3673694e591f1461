"""Manual pages in roff's man macros.

Source: man(7), man-pages(7) for the order of sections.
"""

from __future__ import annotations

from dataclasses import dataclass

EXITS = (
    ("0", "ok"),
    ("1", "failed"),
    ("2", "wrong usage; nothing was sent"),
    ("3", "not found"),
    ("4", "denied, or not logged in"),
    ("5", "conflict: it exists already, or somebody else has changed it"),
    ("6", "it took too long"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """One command.

    Attributes:
        name: `uc-vm-create`.
        options: (flags, help).
        commands: (name, summary) of what is below it.
    """

    name: str
    summary: str
    synopsis: str
    description: str
    options: tuple[tuple[str, str], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()


def render(page: Page, version: str) -> str:
    """The page's text."""
    lines = [f'.TH "{page.name.upper()}" "1" "" "ultracloud {version}" "UltraCloud"']
    lines += [".SH NAME", f"{escaped(page.name)} \\- {escaped(page.summary.rstrip('.'))}"]
    lines += [".SH SYNOPSIS", f".B {escaped(page.synopsis)}"]
    lines += [".SH DESCRIPTION"]
    for paragraph in page.description.split("\n\n"):
        if paragraph.strip():
            lines += [".PP", escaped(" ".join(paragraph.split()))]
    for heading, entries in (("OPTIONS", page.options), ("COMMANDS", page.commands)):
        if entries:
            lines.append(f".SH {heading}")
            for term, text in entries:
                lines += [".TP", f".B {escaped(term)}", escaped(text) if text else "\\&"]
    lines.append(".SH EXIT STATUS")
    for code, meaning in EXITS:
        lines += [".TP", f".B {code}", escaped(meaning)]
    lines += [".SH SEE ALSO", f".BR {'uc' if page.name != 'uc' else 'uc-options'} (1)"]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that roff does not take for a request: hyphens stay hyphens, a leading dot or quote is text."""
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + safe if safe[:1] in (".", "'") else safe
