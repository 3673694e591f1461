"""The log as etcd writes it: one JSON object a line, with etcd's names of levels and fields.

Source: etcd 3.5.16 as observed.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from logging.handlers import WatchedFileHandler
from pathlib import Path

from ultracloud.base.faults import Fault
from ultracloud.servicekit.errors import StartError

LINE_LENGTH_MAX = 16_384
"""Characters of one message, as in the log of every service."""
_LEVELS = {"WARNING": "warn", "CRITICAL": "fatal"}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(level: str, outputs: Sequence[str]) -> logging.Logger:
    """Send all logging of this process to `stderr`, `stdout` or files; gives the service's logger.

    Raises:
        StartError: A file cannot be opened.
    """
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    for output in outputs:
        sink: logging.Handler
        if output in ("stderr", "stdout"):
            sink = logging.StreamHandler(sys.stdout if output == "stdout" else sys.stderr)
        else:
            try:
                sink = WatchedFileHandler(output)
            except OSError as error:
                raise StartError(f"cannot write the log {output}: {error.strerror}; see --log-outputs") from error
        sink.setFormatter(ZapLines())
        root.addHandler(sink)
    root.setLevel(level.upper())
    return logging.getLogger("chainfire")


class ZapLines(logging.Formatter):
    """A record as one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        whole_s, part = divmod(record.created, 1)
        source = Path(record.pathname)
        line: dict[str, object] = {
            "level": _LEVELS.get(record.levelname, record.levelname.lower()),
            "ts": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole_s)) + f".{int(part * 1_000_000):06d}Z",
            "caller": f"{source.parent.name}/{source.name}:{record.lineno}",
            "msg": record.getMessage()[:LINE_LENGTH_MAX],
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            error = record.exc_info[1]
            line["error"] = str(error) if isinstance(error, Fault) else self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False, separators=(",", ":"))
