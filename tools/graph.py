"""The service graph, read from what the code imports, as a picture in docs/architecture.md.

A service that starts calling another one changes this picture in the same commit: `./dev check` compares them, so a new
dependency is seen in review.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.style import imported
from tools.workspace import MEMBERS, ROOT

PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- service graph: made by ./dev gen -->\n", "<!-- end of service graph -->\n"
LIBRARIES = frozenset({"base", "api", "wire", "servicekit", "testkit"})
THROUGH_THE_KIT = {
    "ultracloud.servicekit.store": "flaredb",
    "ultracloud.servicekit.resources": "flaredb",
    "ultracloud.servicekit.policy": "iam",
    "ultracloud.servicekit.coordination": "chainfire",
}
"""Modules of the kit that call a service for whoever imports them."""


def main() -> int:
    """Write the picture, or with --check say whether it is current."""
    parser = argparse.ArgumentParser(prog="python -m tools.graph", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the picture is out of date")
    check = parser.parse_args().check
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    made = head + BEGIN + picture() + END + tail
    if not check:
        PAGE.write_text(made)
    elif made != text:
        sys.stderr.write("the service graph in docs/architecture.md is not what the code imports; run ./dev gen\n")
        return 1
    return 0


def picture() -> str:
    """The graph in Mermaid's words, sorted."""
    lines = [f"    {caller} --> {callee}\n" for caller, callee in sorted(set(edges()))]
    return "```mermaid\ngraph LR\n" + "".join(lines) + "```\n"


def edges() -> Iterator[tuple[str, str]]:
    """Pairs (caller, callee); an agent calls as `<service> agent`."""
    services = {member.name for member in MEMBERS} - LIBRARIES
    for member in MEMBERS:
        if member.name in LIBRARIES:
            continue
        for path in sorted(member.source.rglob("*.py")):
            caller = f"{member.name}-agent" if "agent" in path.relative_to(member.source).parts else member.name
            for callee in callees(path):
                if callee in services and (callee != member.name or caller.endswith("-agent")):
                    yield caller, callee


def callees(path: Path) -> Iterator[str]:
    """Services that a module calls: by their client classes, or through the kit."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = imported(node)
        for name in names:
            if name in THROUGH_THE_KIT:
                yield THROUGH_THE_KIT[name]
            found = re.fullmatch(r"ultracloud\.api\.(\w+)\.v1\.\w+_rpc\.\w+Client", name)
            if found:
                yield found.group(1)


if __name__ == "__main__":
    sys.exit(main())
