"""Logs: one JSON object a line, to stderr or a file, each with the trace of the call it belongs to.

Nothing secret may reach a log: tokens and keys are never formatted into messages, and a fault's `detail` is the only
part of an error that may name a host or a path.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from logging.handlers import WatchedFileHandler
from pathlib import Path

from ultracloud.base.faults import Fault
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.errors import StartError

LINE_LENGTH_MAX = 16_384
"""Characters of one message: a longer one is cut, so that a hostile request cannot fill the disk by itself."""
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(service: str, level: str, file: Path | None) -> logging.Logger:
    """Send all logging of this process to `file`, or stderr; gives the service's logger.

    A file that is moved away (logrotate) is opened anew.

    Raises:
        StartError: The file cannot be opened.
    """
    try:
        sink = WatchedFileHandler(file) if file else logging.StreamHandler(sys.stderr)
    except OSError as error:
        raise StartError(f"{service}: cannot write the log {file}: {error.strerror}; set log.file") from error
    sink.setFormatter(JsonLines(service))
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(sink)
    root.setLevel(level.upper())
    return logging.getLogger(service)


class JsonLines(logging.Formatter):
    """A record as one line: time, level, service, where, message, trace, then what `extra` gave."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        whole_s, part = divmod(record.created, 1)
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole_s)) + f".{int(part * 1000):03d}Z",
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage()[:LINE_LENGTH_MAX],
        }
        trace = getattr(record, "trace", "") or deadlines.TRACE.get()
        if trace:
            line["trace"] = trace
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD and key != "trace"})
        if record.exc_info:
            line["error"] = self._error(record)
        return json.dumps(line, default=str, ensure_ascii=False)

    def _error(self, record: logging.LogRecord) -> str:
        """A fault in one sentence, anything else with its traceback: that is a defect."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Fault):
            return f"{error.code_name}: {error}"
        return self.formatException(record.exc_info) if record.exc_info else ""
