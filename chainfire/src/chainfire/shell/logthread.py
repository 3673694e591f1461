"""The thread that waits for the disk, so that the loop does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class LogThread:
    """The one thread that touches the log's files; jobs run in order."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="chainfire-log", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Run a job, which raises nothing."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Finish what was submitted, then end."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
