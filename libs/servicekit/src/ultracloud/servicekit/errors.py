"""What can go wrong before a service serves: each ends in one sentence on stderr, without a traceback.

Once it serves, errors are faults (`ultracloud.base.faults`) and travel as google.rpc.Status.
"""

from __future__ import annotations


class StartError(Exception):
    """The service cannot start; the sentence says why and what to do. Exit code 1."""

    exit_code = 1


class ConfigError(StartError):
    """The configuration or the command line is wrong. Exit code 2, as shells expect of a usage error."""

    exit_code = 2
