"""Every member imports only what it declares: each is imported where nothing else can be found.

An editable workspace hides a missing declaration, because all members share one environment. Here each member gets a
path that holds its own source, the closure of what its pyproject declares, and the standard library; then all its
modules are imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from tools.workspace import MEMBERS, Member

BY_DISTRIBUTION = {member.distribution: member for member in MEMBERS}
PROBE = """
import importlib, pkgutil, sys
failed = 0
for top in sys.argv[1:]:
    package = importlib.import_module(top)
    for found in pkgutil.walk_packages(package.__path__, top + '.'):
        if found.name.endswith('__main__') or '.testing' in found.name:
            continue
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as missing:
            failed = 1
            print(f'{found.name} imports {missing.name}, which its pyproject does not declare')
sys.exit(failed)
"""


def main() -> int:
    """Check all members; 1 if one imports what it does not declare."""
    return max([check(member) for member in MEMBERS], default=0)


def check(member: Member) -> int:
    """Import all modules of `member` in isolation."""
    with tempfile.TemporaryDirectory() as scratch:
        closure = member_closure(member)
        paths = [other.source for other in closure] + [link_distributions(closure, Path(scratch))]
        program = f"import sys; sys.path[1:1] = {[str(path) for path in paths]!r}\n{PROBE}"
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", program, *packages(member)],
            env={"PATH": os.environ.get("PATH", "")},
            check=False,
        ).returncode


def packages(member: Member) -> list[str]:
    """Import names of a member's packages: `chainfire`, or `ultracloud.wire`."""
    inits = [*member.source.glob("*/__init__.py"), *member.source.glob("ultracloud/*/__init__.py")]
    return sorted(".".join(init.parent.relative_to(member.source).parts) for init in inits)


def link_distributions(closure: list[Member], scratch: Path) -> Path:
    """A folder of links to all files of the distributions that these members declare, with what those need."""
    queue = [name for member in closure for name in member.dependencies if name not in BY_DISTRIBUTION]
    seen: set[str] = set()
    while queue:
        name = Requirement(queue.pop()).name.lower()
        if name in seen:
            continue
        seen.add(name)
        distribution = metadata.distribution(name)
        for top in {Path(str(file)).parts[0] for file in distribution.files or [] if not str(file).startswith("..")}:
            link(Path(str(distribution.locate_file(top))), scratch / top)
        needs = (Requirement(text) for text in distribution.requires or [])
        queue += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return scratch


def member_closure(member: Member) -> list[Member]:
    """A member and the members it declares, near and far."""
    closure = [member]
    for current in closure:
        needed = (BY_DISTRIBUTION[name] for name in current.dependencies if name in BY_DISTRIBUTION)
        closure.extend(other for other in needed if other not in closure)
    return closure


def link(source: Path, target: Path) -> None:
    """Link `source` at `target`; folders that several distributions share are merged."""
    if not source.exists():
        return
    if not target.exists() and not (source.is_dir() and source.name in ("google", "grpc")):
        target.symlink_to(source)
    elif source.is_dir() and not target.is_symlink():
        target.mkdir(exist_ok=True)
        for child in source.iterdir():
            link(child, target / child.name)


if __name__ == "__main__":
    sys.exit(main())
