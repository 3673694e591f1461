"""`chainfire-etcd`: chainfire, started with etcd's flags and ETCD_* variables, and logging as etcd does.

What starts, waits for and stops an etcd can do so with this instead: test suites, scripts of operators, units.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from chainfire.config import Config
from chainfire.core.flag_file import parse_file
from chainfire.core.flags import FlagError, Flags, HelpAsked, help_text, parse, usage
from chainfire.core.urls import Url
from chainfire.etcd import folder_of, log_files, settings_of, warnings_of
from chainfire.shell import zap
from chainfire.shell.maintenance import ETCD_VERSION
from chainfire.shell.recovery import LOG_FOLDER
from chainfire.shell.server import Chainfire, build
from ultracloud.servicekit import lifecycle
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.runtime import Runtime

NAME = "chainfire"
EXIT_FAILED = 1
READY = "ready to serve client requests"
"""What test suites of etcd wait for; one line for each URL."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    log = zap.configure("info", ["stderr"])
    try:
        flags = flags_of(arguments, os.environ)
        if flags.is_on("version"):
            sys.stdout.write(version())
            return 0
        config = settings_of(flags, has_state=(folder_of(flags) / LOG_FOLDER).exists())
        log = zap.configure(config.log.level, log_files(flags))
    except HelpAsked:
        sys.stdout.write(help_text())
        return 0
    except FlagError as error:
        if error.exit_code == 2:  # noqa: PLR2004 - wrong syntax, which etcd answers with its usage
            hint = f"{error.hint}\n" if error.hint else ""
            sys.stderr.write(f"{error}\n{hint}{usage()}")
        else:
            log.warning("failed to verify flags", extra={"error": str(error)})
        return error.exit_code
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    for stranger in flags.strangers:
        log.warning("unrecognized environment variable", extra={"environment-variable": stranger})
    for warning in warnings_of(flags):
        log.warning(warning)
    log.info("Running: ", extra={"arguments": [sys.argv[0], *arguments]})
    try:
        return lifecycle.run(NAME, config, _build, log)
    except StartError as error:
        log.critical("failed to start etcd", extra={"error": str(error)})
        return EXIT_FAILED


def version() -> str:
    """The lines of etcd, which scripts take apart, and ours."""
    from importlib import metadata

    return (
        f"etcd Version: {ETCD_VERSION}\n"
        f"Git SHA: chainfire {metadata.version('ultracloud-chainfire')}, which serves the API of that version\n"
        f"Go Version: none, Python {platform.python_version()}\n"
        f"Go OS/Arch: {sys.platform}/{platform.machine()}\n"
    )


def flags_of(arguments: Sequence[str], environment: Mapping[str, str]) -> Flags:
    """The flags of the command line, or of the file it names.

    Raises:
        FlagError: They cannot be used.
        HelpAsked: The command line asks for help.
    """
    flags = parse(arguments, environment)
    path = flags.text("config-file")
    if not path:
        return flags
    try:
        return parse_file(Path(path).read_text())
    except OSError as error:
        raise FlagError(f"open {path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise FlagError(f"{path} is no text: {error}") from error


async def _build(config: Config, runtime: Runtime) -> Chainfire:
    """Build the service, and say when it is ready in etcd's words."""
    served = await build(config, runtime)
    runtime.tasks.create_task(_tell_ready(config.listeners(), runtime), name="tell ready as etcd does")
    return served


async def _tell_ready(urls: Sequence[Url], runtime: Runtime) -> None:
    await runtime.readiness.wait_ready()
    for url, address in zip(urls, runtime.addresses, strict=False):
        runtime.log.info(READY)
        shown = {"traffic": "grpc+http", "address": address.removeprefix("unix:")}
        if url.is_tls:
            runtime.log.info("serving client traffic securely", extra=shown)
        else:
            runtime.log.warning("serving client traffic insecurely; this is strongly discouraged!", extra=shown)


if __name__ == "__main__":
    sys.exit(main())
