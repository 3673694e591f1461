"""nftables by its own program: one transaction in, chain names out.

The program is asked for names only: reading a thousand rules back would cost more than loading them. What a table holds
is told by the name of its digest chain (prismnet.agent.core.nft_text).
"""

from __future__ import annotations

import json
import subprocess

from prismnet.agent.core.nft_text import DIGEST_CHAIN_PREFIX, TABLE

TIMEOUT_S = 20.0
"""A thousand rules load in a tenth of a second; a program that takes this long hangs."""
COMPLAINT_LENGTH_MAX = 300
"""Of what nft prints, the start says what is wrong; the rest repeats the ruleset."""


class NftError(Exception):
    """nft refused; the kernel's tables are as they were."""


def load(text: str) -> None:
    """Run one transaction in the calling thread's network namespace."""
    _run(["-f", "-"], text)


def digests() -> dict[str, str]:
    """By family, which of our rulesets the calling thread's namespace has; families without our table are missing."""
    listed = json.loads(_run(["-j", "list", "chains"], ""))["nftables"]
    chains = [item["chain"] for item in listed if "chain" in item and item["chain"]["table"] == TABLE]
    found = {chain["family"]: "" for chain in chains}
    for chain in chains:
        if chain["name"].startswith(DIGEST_CHAIN_PREFIX):
            found[chain["family"]] = chain["name"].removeprefix(DIGEST_CHAIN_PREFIX)
    return found


def _run(arguments: list[str], text: str) -> str:
    """What nft prints."""
    try:
        done = subprocess.run(
            ["nft", *arguments], input=text, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise NftError("nft is not installed; install the package nftables") from None
    except subprocess.TimeoutExpired:
        raise NftError(f"nft gave no answer in {TIMEOUT_S:.0f} s") from None
    if done.returncode:
        raise NftError(f"nft refused the rules: {done.stderr.strip()[:COMPLAINT_LENGTH_MAX]}")
    return done.stdout
