"""`python -m plasmavmc.agent`: serve, check-config, kvm-probe."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent's command line and give the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["kvm-probe"]:
        from plasmavmc.agent.shell import kvm

        sys.stdout.write(json.dumps(dataclasses.asdict(kvm.probe())) + "\n")
        return 0
    from plasmavmc.agent.config import AgentSettings
    from plasmavmc.agent.shell.server import build
    from ultracloud.servicekit import lifecycle

    return lifecycle.main("plasmavmc-agent", AgentSettings, build, arguments)


if __name__ == "__main__":
    sys.exit(main())
