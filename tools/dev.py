"""`./dev`: what a checkout can do, after `tools/bootstrap.sh` has prepared it.

Each command is a function that gives an exit code. Commands that belong to one service live there; this file only finds
and runs them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.workspace import MEMBERS, ROOT

HERE = Path(os.environ.get("ULTRACLOUD_FROM", ROOT))
"""Where the person stood when they called `./dev`."""
EXIT_USAGE = 2
KEEP_FAILED = ("-o", "tmp_path_retention_policy=failed")
"""Stores preallocate: the folders of all tests would fill a disk within a few runs."""
PYTEST_NO_TESTS = 5
WORKERS = 2
"""pytest workers a member's tests run on; the suite is sized for two cores."""
SLOW_LANE = "slow"
"""Marker of the tests that only `./dev test --all` and .ci/run run."""


def main(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code."""
    command = COMMANDS.get(arguments[0])
    if command is None:
        sys.stderr.write(f"./dev: no command '{arguments[0]}'; there are: {', '.join(sorted(COMMANDS))}\n")
        return EXIT_USAGE
    return command(list(arguments[1:]))


def quickstart(arguments: list[str]) -> int:
    """Become the single-node quickstart: signals must reach it alone, or Ctrl-C would kill it while it cleans up."""
    os.chdir(HERE)
    os.execve(sys.executable, [sys.executable, "-m", "quickstart", *arguments], environment())  # noqa: S606 - no shell


def run(arguments: list[str]) -> int:
    """Run any command with the environment's programs first on PATH."""
    if not arguments:
        sys.stderr.write("usage: ./dev run COMMAND [ARGUMENT ...], e.g. ./dev run chainfire --help\n")
        return EXIT_USAGE
    script = ROOT / ".venv" / "bin" / arguments[0]
    if script.exists():
        arguments[0] = str(script)
    try:
        return subprocess.run(arguments, cwd=HERE, env=environment(), check=False).returncode
    except FileNotFoundError:
        sys.stderr.write(f"./dev run: '{arguments[0]}' is neither a program of the environment nor on PATH\n")
        return 127


def gen(arguments: list[str]) -> int:
    """Make stubs, the index of the command line, the options of NixOS modules and the service graph."""
    status = python("-m", "tools.gen", *arguments) or python("-m", "tools.openapi", *arguments)
    status = status or python("-m", "tools.cli_index", *arguments)
    status = status or python("-m", "tools.nix_settings", *arguments)
    return status or python("-m", "tools.graph", *arguments)


def lock(_arguments: list[str]) -> int:
    """Resolve requirements*.in into requirements*.lock."""
    for name in ("requirements-build", "requirements"):
        options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header"]
        status = python("-m", "uv", "pip", "compile", "--quiet", *options, f"{name}.in", "-o", f"{name}.lock")
        if status:
            return status
    return 0


def check(_arguments: list[str]) -> int:
    """Everything that can be said of the code without running it."""
    sources = [str(member.source) for member in MEMBERS]
    steps: list[tuple[str, Callable[[], int]]] = [
        ("format", lambda: python("-m", "ruff", "format", "--check", "--quiet", ".")),
        ("ruff", lambda: python("-m", "ruff", "check", "--quiet", ".")),
        ("mypy", lambda: python("-m", "mypy", *sources, "tools", "nix/test-cluster/test_cluster")),
        ("imports", lint_imports),
        ("style", lambda: python("-m", "tools.style")),
        ("stubs and graph", lambda: gen(["--check"])),
        ("declared dependencies", lambda: python("-m", "tools.dependencies")),
    ]
    failed = []
    for name, step in steps:
        started = time.monotonic()
        status = step()
        sys.stdout.write(f"{'ok    ' if status == 0 else 'FAILED'} {name} ({time.monotonic() - started:.1f} s)\n")
        sys.stdout.flush()
        if status:
            failed.append(name)
    if failed:
        sys.stderr.write(f"./dev check: {', '.join(failed)} failed; the reasons are above\n")
    return 1 if failed else 0


def lint_imports() -> int:
    """Import contracts of the root pyproject."""
    return python(
        "-c", "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())", "--no-cache"
    )


def test(arguments: list[str]) -> int:
    """Run every member's tests, each from its own folder, then those that need several services."""
    chosen, extra, every_lane = parse_test(arguments)
    lane = [] if every_lane else ["-m", f"not {SLOW_LANE}"]
    failed: list[str] = []
    for name, folder in chosen.items():
        started = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(WORKERS), *KEEP_FAILED, *lane, *extra]
        status = subprocess.run(command, cwd=folder, env=environment(), check=False).returncode
        if status not in (0, PYTEST_NO_TESTS):
            failed.append(name)
        sys.stdout.write(f"{name}: {'failed' if name in failed else 'ok'} ({time.monotonic() - started:.1f} s)\n")
        sys.stdout.flush()
    if failed:
        sys.stderr.write(f"./dev test: failed in {', '.join(failed)}\n")
    return 1 if failed else 0


def parse_test(arguments: list[str]) -> tuple[dict[str, Path], list[str], bool]:
    """Split `--member NAME` and `--all` from what pytest gets; the members are name -> folder to run in."""
    extra = list(arguments)
    every_lane = "--all" in extra
    if every_lane:
        extra.remove("--all")
    names: list[str] = []
    while "--member" in extra:
        at = extra.index("--member")
        names.append(extra[at + 1] if at + 1 < len(extra) else "")
        del extra[at : at + 2]
    known = {member.name: member.folder for member in MEMBERS if member.tests.is_dir()} | {"tests": ROOT / "tests"}
    for name in names:
        if name not in known:
            sys.stderr.write(f"./dev test: no member '{name}'; there are: {', '.join(known)}\n")
            raise SystemExit(EXIT_USAGE)
    return {name: known[name] for name in names} or known, extra, every_lane


def bench(arguments: list[str]) -> int:
    """Run one benchmark of `bench/` or of a member's `bench/`."""
    return named_module("bench", arguments)


def sim(arguments: list[str]) -> int:
    """Run one deterministic simulation."""
    return named_module("sim", arguments)


def named_module(kind: str, arguments: list[str]) -> int:
    """Run `<kind>/NAME.py` or `<kind>/NAME/__main__.py` with what follows."""
    folder = ROOT / kind
    alone = {path.stem for path in folder.glob("*.py") if not path.name.startswith("_") and can_run(path)}
    names = sorted(alone | {path.parent.name for path in folder.glob("*/__main__.py")})
    if not arguments or arguments[0] == "--list":
        sys.stdout.write(json.dumps(names) + "\n" if "--json" in arguments else "\n".join(names) + "\n")
        return 0
    name = arguments[0].replace("-", "_")
    if name not in names:
        sys.stderr.write(f"./dev {kind}: no '{arguments[0]}'; there are: {', '.join(names) or 'none yet'}\n")
        return EXIT_USAGE
    return python("-m", f"{kind}.{name}", *arguments[1:])


def can_run(path: Path) -> bool:
    """Whether a module is a program, and not what several programs share."""
    return "__main__" in path.read_text(encoding="utf-8")


def python(*arguments: str) -> int:
    """Run this Python with `arguments` from the checkout's root."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment(), check=False).returncode


def environment() -> dict[str, str]:
    """This process's environment, with the programs of .venv first and of unpacked packages last."""
    system = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    unpacked = [str(ROOT / ".cache" / release / "usr" / "bin") for release in ("debian", "trixie")]
    return {**os.environ, "PATH": os.pathsep.join([str(ROOT / ".venv" / "bin"), system, *unpacked])}


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "quickstart": quickstart,
    "test": test,
    "check": check,
    "run": run,
    "gen": gen,
    "lock": lock,
    "bench": bench,
    "sim": sim,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
