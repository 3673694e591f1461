"""The fences that a unit puts around its process, where no systemd runs: calls, sockets, powers.

    python -m test_cluster.fences '{"calls": ["read", ...], "families": [1, 2]}' COMMAND

Used to see that services live behind their fences. Their users, and what they may see of the file system, are not here.

Source: systemd.exec(5); libseccomp's seccomp_init(3), seccomp_rule_add(3); PR_SET_MDWE in prctl(2).
"""

from __future__ import annotations

import ctypes
import errno
import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
EQUAL = 4
NUMBERS_OF_POWERS = {
    "chown": 0,
    "dac_override": 1,
    "fowner": 3,
    "net_bind_service": 10,
    "net_admin": 12,
    "net_raw": 13,
    "sys_admin": 21,
}
"""Those that our units name; linux/capability.h has them all."""
PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 38, 65, 1


class Compared(ctypes.Structure):
    """libseccomp's comparison of one argument of a call with a number."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def command_of(unit: Mapping[str, object], command: Sequence[str]) -> list[str]:
    """`command` behind the fences of a unit's `serviceConfig`."""
    fences = {
        "calls": sorted(called(_list(unit.get("SystemCallFilter")))),
        "families": [int(getattr(socket, name)) for name in _list(unit.get("RestrictAddressFamilies"))],
        "deny_exec_memory": bool(unit.get("MemoryDenyWriteExecute")),
    }
    bounds = ",".join(["-all", *(f"+{power}" for power in powers_of(unit))])
    fence = [sys.executable, "-m", "test_cluster.fences", json.dumps(fences)]
    return ["setpriv", f"--bounding-set={bounds}", "--inh-caps=-all", "--", *fence, *command]


def called(filters: Iterable[str]) -> set[str]:
    """Names of the calls that an allow list of systemd's comes to."""
    allowed = set(calls_of("@default"))
    for each in filters:
        if each.startswith("~"):
            allowed -= set(calls_of(each[1:]))
        else:
            allowed |= set(calls_of(each))
    return allowed


@functools.cache
def calls_of(name: str) -> frozenset[str]:
    """The calls in one of systemd's groups, ``@mount``; a plain name is itself."""
    if not name.startswith("@"):
        return frozenset({name})
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.strip() for line in told.splitlines()[1:]]
    return frozenset().union(*(calls_of(line) for line in lines if line and not line.startswith("#")))


def _list(given: object) -> list[str]:
    if given is None:
        return []
    return [str(each) for each in given] if isinstance(given, list) else [str(given)]


def powers_of(unit: Mapping[str, object]) -> list[str]:
    """What of root's powers a unit leaves its process, as setpriv(1) calls them."""
    return [name.removeprefix("CAP_").lower() for name in _list(unit.get("CapabilityBoundingSet")) if name]


def stand_around(pid: int, unit: Mapping[str, object]) -> bool:
    """Whether a process is behind a unit's fences: a filter of calls, no new privileges, no powers but its own."""
    return are_in(Path(f"/proc/{pid}/status").read_text(), unit)


def are_in(status: str, unit: Mapping[str, object]) -> bool:
    """Whether /proc/PID/status of a process shows a unit's fences."""
    lines = (line.partition(":") for line in status.splitlines())
    told = {name: value.strip() for name, _, value in lines}
    powers = sum(1 << NUMBERS_OF_POWERS[power] for power in powers_of(unit))
    return (told["Seccomp"], told["NoNewPrivs"], int(told["CapBnd"], 16)) == ("2", "1", powers)


def main() -> None:
    """Put up the fences and become the command."""
    fences = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if fences["deny_exec_memory"] and libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    refuse_other_calls(fences["calls"], fences["families"])
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - a command line that we were given


def refuse_other_calls(names: Iterable[str], families: Sequence[int]) -> None:
    """Let this process and its children make these calls, and sockets of these families, and no others."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(REFUSE))
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        # A negative number is a call that this architecture has not got.
        if number >= 0 and not (name == "socket" and families):
            library.seccomp_rule_add(context, ALLOW, number, 0)
    number = library.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        library.seccomp_rule_add_array(context, ALLOW, number, 1, ctypes.byref(Compared(0, EQUAL, family, 0)))
    code = library.seccomp_load(context)
    if code:
        raise OSError(-code, "seccomp_load")


if __name__ == "__main__":
    main()
