"""chainfire's command line, run in this process."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from chainfire.config import Config
from chainfire.shell.commands import COMMANDS
from ultracloud.servicekit import lifecycle


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its answer with `-o json`."""
        assert self.out, self.err
        return json.loads(self.out)

    @property
    def field(self) -> dict[str, str]:
        """Its table of one thing."""
        return {line.split("  ")[0]: line.split("  ")[-1].strip() for line in self.out.splitlines()}


def run(*words: object) -> Answer:
    """Run a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = lifecycle.main("chainfire", Config, _no_server, [str(word) for word in words], COMMANDS)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


async def _no_server(_config: Config, _runtime: object) -> None:
    """Nobody serves here."""
    raise AssertionError
