"""flaredb's commands, run in this process."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from flaredb.config import Config
from flaredb.shell.commands import COMMANDS
from ultracloud.servicekit import lifecycle


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """Its JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


def run(*words: object) -> Answer:
    """Run a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = lifecycle.main("flaredb", Config, _no_server, [str(word) for word in words], COMMANDS)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


async def _no_server(_config: Config, _runtime: object) -> None:
    """Nobody serves here."""
    raise AssertionError
