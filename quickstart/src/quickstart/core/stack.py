"""What a supervisor is told to run: programs, and the place they run in. It travels as a TOML file."""

from __future__ import annotations

from dataclasses import dataclass, field

from quickstart.core import toml


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One supervised program.

    Attributes:
        name: Unique in the stack.
        arguments: Program and arguments.
        log: File its stdout and stderr are appended to.
        namespace: Network namespace it runs in; empty runs it in the person's own.
        ready_socket: It is ready once this unix socket answers; empty if it prints a line that begins with ``ready``.
        environment: Variables besides the supervisor's own.
        waits: Whether it is started only when asked for.
    """

    name: str
    arguments: tuple[str, ...]
    log: str
    namespace: str = ""
    ready_socket: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A folder that the stack sees in another place."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Everything one supervisor makes and runs.

    Attributes:
        control: Name of the abstract unix socket it answers on.
        programs: In the order they are started.
        kept: Folders that must stay visible whatever is mounted above them.
        private: Folders replaced by empty ones in memory.
        binds: Made after `private`.
        namespaces: Network namespaces to make.
        setup: Arguments of `ip`, a line a command, run after the namespaces are made.
        devices_of: Network namespace whose devices /sys shows; empty leaves /sys as it is.
        accounts: System users that must have a name and a group of that name; made up where the machine lacks them.
    """

    control: str
    programs: tuple[Program, ...] = ()
    kept: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    binds: tuple[Bind, ...] = ()
    namespaces: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    devices_of: str = ""
    accounts: tuple[str, ...] = ()


def render(stack: Stack) -> str:
    """Write a stack as TOML; `ultracloud.servicekit.config.load` reads it."""
    return toml.render(toml.table_of(stack))
