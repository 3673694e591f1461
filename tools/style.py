"""The style rules a program can check: purity of cores, sizes, docstrings, broad excepts, sleeps and mocks in tests.

ruff and mypy check the rest. Every rule names its number in the style guide's list (docs/style.md); an exception stands
in EXCEPTIONS with its reason, or the rule is changed: there are no inline switches.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.workspace import MEMBERS, ROOT

IMPURE = frozenset(
    {"asyncio", "socket", "os", "time", "random", "logging", "grpc", "threading", "subprocess", "secrets", "select"}
)
"""Modules a core may not import: each brings a clock, a socket, randomness or a process."""
PURE_LIBRARIES = ("libs/base/src",)
"""Trees that are core throughout."""
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60
"""Lines from `def` to the end, docstring included; the aim is 12, rarely over 40."""
FORBIDDEN_FILE_WORDS = frozenset({"util", "utils", "helper", "helpers", "manager", "handler", "info", "misc", "common"})
BROAD_EXCEPT_HOMES = frozenset({"libs/wire/src/ultracloud/wire/shell/edge.py"})
"""Where `except Exception` stands: the RPC edge, which maps what nobody expected to INTERNAL."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One place that breaks one rule."""

    path: Path
    line: int
    rule: str
    says: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: [{self.rule}] {self.says}"


def main() -> int:
    """Print every breach; 1 if there is one."""
    breaches = [breach for path in sources() for breach in check_file(path)]
    breaches += [breach for member in MEMBERS for breach in check_readme(member.folder / "README.md")]
    breaches += check_registries()
    for breach in breaches:
        sys.stdout.write(f"{breach}\n")
    return 1 if breaches else 0


def sources() -> Iterator[Path]:
    """All Python files that people write."""
    for folder in [*(member.folder for member in MEMBERS), ROOT / "tools", ROOT / "bench", ROOT / "sim"]:
        for path in sorted(folder.rglob("*.py")):
            if not path.name.endswith(("_pb2.py", "_rpc.py")) and ".venv" not in path.parts:
                yield path


def check_file(path: Path) -> Iterator[Breach]:
    """All breaches of one file."""
    text = path.read_text()
    tree = ast.parse(text)
    relative = path.relative_to(ROOT)
    is_test = "tests" in relative.parts
    if text.count("\n") > FILE_LINES_MAX:
        yield Breach(path, 1, "shape 6", f"{text.count(chr(10))} lines; at most {FILE_LINES_MAX}")
    if path.stem in FORBIDDEN_FILE_WORDS:
        yield Breach(path, 1, "names 9", f"'{path.stem}' says nothing of what the module is")
    if not is_test and tree.body and ast.get_docstring(tree) is None:
        yield Breach(path, 1, "types 17", "no module docstring")
    if is_core(relative):
        yield from check_core(path, tree)
    yield from (check_test if is_test else check_product)(path, tree)


def is_core(relative: Path) -> bool:
    """Whether a file decides and so must be pure."""
    if "tests" in relative.parts:
        return False
    return "core" in relative.parts or str(relative).startswith(PURE_LIBRARIES)


def check_core(path: Path, tree: ast.Module) -> Iterator[Breach]:
    """A core imports nothing that does, and knows no wire format of protobuf."""
    for node in ast.walk(tree):
        impure = [name for name in imported(node) if is_impure(name)]
        if impure and isinstance(node, ast.stmt):
            yield Breach(path, node.lineno, "shape 1", f"a core imports {impure[0]}")


def is_impure(name: str) -> bool:
    """Whether importing this makes a core depend on the world or on a wire format."""
    return name.partition(".")[0] in IMPURE or name.endswith("_pb2") or ".shell" in name


def imported(node: ast.AST) -> list[str]:
    """Names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def check_product(path: Path, tree: ast.Module) -> Iterator[Breach]:
    """Function lengths and broad excepts of code that ships."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield Breach(
                    path, node.lineno, "shape 6", f"{node.name} has {length} lines; at most {FUNCTION_LINES_MAX}"
                )
        home = str(path.relative_to(ROOT)) in BROAD_EXCEPT_HOMES
        if isinstance(node, ast.ExceptHandler) and is_broad(node) and not reraises(node) and not home:
            yield Breach(path, node.lineno, "errors 13", "a broad except hides what nobody expected")


def is_broad(node: ast.ExceptHandler) -> bool:
    """`except:`, `except Exception` or `except BaseException`."""
    return node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))


def reraises(node: ast.ExceptHandler) -> bool:
    """Whether the block ends by raising on: it cleans up and hides nothing."""
    return isinstance(node.body[-1], ast.Raise)


def check_test(path: Path, tree: ast.Module) -> Iterator[Breach]:
    """No mocks, no classes, no sleeps that hope."""
    for node in ast.walk(tree):
        mocks = [name for name in imported(node) if name.startswith("unittest.mock") or name == "mock"]
        if mocks and isinstance(node, ast.stmt):
            yield Breach(path, node.lineno, "tests 22", f"a test imports {mocks[0]}")
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield Breach(path, node.lineno, "tests 20", f"{node.name}: tests are functions")


def check_readme(path: Path) -> Iterator[Breach]:
    """A service's README has the five headings."""
    if path.parent.name == "api":
        return
    text = path.read_text() if path.exists() else ""
    for heading in ("Promises", "API", "Limits", "How it fails", "Run it alone"):
        if f"\n## {heading}\n" not in text:
            yield Breach(path, 1, "docs", f"no heading '## {heading}'")


def check_registries() -> list[Breach]:
    """No tracked file names a package registry's host."""
    hosts = [
        "pypi" + ".org",
        "python" + "hosted.org",
        "deb.debian" + ".org",
        "registry.npm" + "js.org",
        "crates" + ".io",
    ]
    pattern = "|".join(host.replace(".", r"\.") for host in hosts)
    found = subprocess.run(["git", "grep", "-nIE", pattern], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line.split(":", 2) for line in found.stdout.splitlines()]
    return [
        Breach(ROOT / name, int(number), "registries", "names a package registry's host") for name, number, _ in lines
    ]


if __name__ == "__main__":
    sys.exit(main())
