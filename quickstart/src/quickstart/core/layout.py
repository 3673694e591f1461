"""Where the quickstart keeps what: one folder for all of a run's state, another for what later runs use again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


def default_state(cache: Path) -> Path:
    """The state folder of whoever names none."""
    return cache / "quickstart"


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one run.

    Attributes:
        state: Everything of this run; removed at its end but for the logs.
        cache: What later runs use again: the guest image, libvirt's knowledge of QEMU.
    """

    state: Path
    cache: Path

    @property
    def command(self) -> str:
        """How a person calls the quickstart on this state folder again."""
        words = ["./dev", "quickstart"]
        if self.state != default_state(self.cache):
            words += ["--state", str(self.state)]
        return shlex.join(words)

    @property
    def marker(self) -> Path:
        """The file that says a folder is ours; without it nothing in the folder is ever removed."""
        return self.state / "quickstart.json"

    @property
    def lock(self) -> Path:
        """Locked as long as a stack lives on this state."""
        return self.state / "lock"

    @property
    def cluster(self) -> Path:
        """The one configuration all others are generated from."""
        return self.state / "cluster.toml"

    @property
    def plan(self) -> Path:
        """What the supervisor runs."""
        return self.state / "stack.toml"

    @property
    def token(self) -> Path:
        """The bearer token of the service account."""
        return self.state / "token"

    @property
    def password(self) -> Path:
        """The administrator's password."""
        return self.state / "password"

    @property
    def command_line(self) -> Path:
        """What `uc` keeps for the proofs, as it would below a person's home."""
        return self.state / "uc"

    @property
    def context(self) -> Path:
        """What was done to the person's own contexts, to be undone when a kept cloud is ended."""
        return self.state / "context.json"

    @property
    def authority(self) -> Path:
        """Whom `uc` is to trust: a copy that everybody on this machine can read."""
        return self.state / "ca.crt"

    @property
    def pki(self) -> Path:
        """The authority, and the operator's certificate."""
        return self.state / "pki"

    def certificates(self, process: str) -> Path:
        """The certificate of one process, and whom it trusts: its own to replace."""
        return self.pki / process

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.state / "logs"

    @property
    def libvirt(self) -> Path:
        """What stands in for libvirt's folders of the system."""
        return self.state / "libvirt"

    @property
    def guest(self) -> Path:
        """The guest image."""
        return self.cache / "guest"

    @property
    def images(self) -> Path:
        """Where a person puts images of their own for a kept cloud."""
        return self.state / "images"

    @property
    def capabilities(self) -> Path:
        """What libvirt found out about QEMU, which takes most of a second."""
        return self.cache / "libvirt"

    def log(self, process: str) -> Path:
        """The log of one process."""
        return self.logs / f"{process}.log"

    def configuration(self, process: str) -> Path:
        """The configuration of one process."""
        return self.state / "config" / f"{process}.toml"

    def process_state(self, process: str) -> Path:
        """The state of one process."""
        return self.state / "services" / process
