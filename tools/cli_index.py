"""Make the index of the command line from api/openapi.json: one JSON file a noun, committed with the code.

`./dev check` compares what it makes with the tree.
"""

from __future__ import annotations

import argparse
import json
import sys

from tools.workspace import ROOT
from ultracloud.cli.core.catalogue import compile_index

OPENAPI = ROOT / "api" / "openapi.json"
INDEX = ROOT / "cli" / "src" / "ultracloud" / "cli" / "index"


def main() -> int:
    """Write the index, or with --check say which of its files are out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.cli_index", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    check = parser.parse_args().check
    made = {f"{name}.json": render(tree) for name, tree in compile_index(json.loads(OPENAPI.read_text())).items()}
    here = {path.name: path.read_text() for path in INDEX.glob("*.json")}
    wrong = sorted(name for name in made.keys() | here.keys() if made.get(name) != here.get(name))
    if check:
        for name in wrong:
            sys.stderr.write(f"cli/index/{name} is not what api/openapi.json makes; run ./dev gen\n")
        return 1 if wrong else 0
    INDEX.mkdir(exist_ok=True)
    for name in wrong:
        if name in made:
            (INDEX / name).write_text(made[name])
        else:
            (INDEX / name).unlink()
    return 0


def render(tree: object) -> str:
    """One member of an object a line at the outer levels, so that differences can be read."""
    return json.dumps(tree, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
