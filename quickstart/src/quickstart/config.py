"""What the person asked for."""

from __future__ import annotations

import argparse
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quickstart.core.layout import Layout, default_state
from quickstart.errors import UsageError

PORTS = 6
"""One for each service."""
PORT_MIN, PORT_MAX = 1024, 65535
_CHECKOUT = Path(__file__).resolve().parents[3]

EPILOGUE = """\
Without options it sets up everything, proves that it works, and removes what it made; only the logs stay.
Root is needed for network namespaces, bridges and libvirt.

  ./dev quickstart --keep              leave the cloud running, ready for `uc`, and say what to do next;
                                       typed again, see that it runs, or start it as it was
  ./dev quickstart console NAME        the serial console of a VM of a kept cloud; Ctrl-] leaves it
  ./dev quickstart --stop              end a kept cloud and remove it
"""


class Action(enum.Enum):
    """What to do."""

    RUN = "run"
    STOP = "stop"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, checked.

    Attributes:
        port_base: First of PORTS ports to listen on; None takes free ones.
        vm: The VM whose console is wanted.
    """

    action: Action
    layout: Layout
    keep: bool = False
    as_json: bool = False
    port_base: int | None = None
    vm: str = ""
    project: str = ""


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line.

    Raises:
        UsageError: It contradicts itself, or a value is out of range.
        SystemExit: It is not understood (argparse says why), or asks for help.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.port_base is not None and not PORT_MIN <= given.port_base <= PORT_MAX - PORTS + 1:
        raise UsageError(
            f"--port-base {given.port_base} leaves no room for {PORTS} ports; "
            f"accepted: {PORT_MIN} to {PORT_MAX - PORTS + 1}",
            remedy="leave it out to take free ports",
        )
    if given.stop and (given.keep or given.json or given.port_base is not None or given.command):
        raise UsageError("--stop ends a kept cloud and goes with nothing but --state", remedy="give it alone")
    layout = Layout(state=_state(given.state), cache=default_cache())
    if given.command == "console":
        return Options(Action.CONSOLE, layout, vm=given.vm, project=given.project)
    action = Action.STOP if given.stop else Action.RUN
    return Options(action, layout, keep=given.keep, as_json=given.json, port_base=given.port_base)


def _state(given: str) -> Path:
    """The state folder by its real path.

    Raises:
        UsageError: No folder can have this name.
    """
    if not given.strip():
        # An unset variable of a script; the working folder is hardly what it means.
        raise UsageError("--state names no folder", remedy="name one, or leave --state out")
    try:
        state = Path(given).resolve()
        state.exists()
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else "its links lead in a circle"
        raise UsageError(f"--state cannot be used: {why}", remedy="choose another folder with --state DIR") from error
    return state


def default_cache() -> Path:
    """The checkout's cache; for an installed package, the person's."""
    if (_CHECKOUT / "dev").exists():
        return _CHECKOUT / ".cache"
    return Path.home() / ".cache" / "ultracloud"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev quickstart",
        description="Run a whole cloud on this machine, prove that it works, and remove it.",
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--keep", action="store_true", help="leave it running and print how to use it")
    parser.add_argument("--stop", action="store_true", help="end a kept cloud and remove what it made")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument(
        "--state",
        default=str(default_state(default_cache())),
        metavar="DIR",
        help="folder for state and logs (%(default)s)",
    )
    parser.add_argument(
        "--port-base",
        type=int,
        metavar="N",
        help=f"listen on 127.0.0.1, ports N to N+{PORTS - 1} (default: free ports)",
    )
    commands = parser.add_subparsers(dest="command", metavar="console NAME", title="commands")
    console = commands.add_parser("console", help="serial console of a VM of a kept cloud")
    console.add_argument("vm", metavar="NAME", help="name or id of the VM")
    console.add_argument("--project", default="", help="its project (default: the one the quickstart made)")
    return parser
