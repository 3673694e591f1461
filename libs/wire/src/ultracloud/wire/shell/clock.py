"""The clock of the shell: seconds that never go back."""

from __future__ import annotations

from time import monotonic as now_s

__all__ = ["now_s"]
