"""Writing nftables' own language: sets, maps and chains as text that reads well and is the same for the same content.

The text is loaded by ``nft -f -`` as one transaction: the kernel changes from the old tables to the new ones between
two packets, and conntrack entries, which live outside the tables, stay.

Source: nft(8).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from prismnet.agent.core.state import Ruleset

TABLE = "prismnet"
"""The name of our table in every family; tables of other names are other people's."""
DIGEST_CHAIN_PREFIX = "digest-"
DIGEST_LENGTH = 16
"""64 bits: enough to tell two rulesets of one host apart."""


def block(head: str, lines: Iterable[str]) -> list[str]:
    """``head { ... }`` with the lines indented."""
    return [f"{head} {{", *(f"\t{line}" for line in lines), "}"]


def collection(kind: str, name: str, key: str, elements: Iterable[str]) -> list[str]:
    """A named set or map; sorted, and without an ``elements`` line when empty, which nft would refuse."""
    ordered = sorted(elements)
    listed = [f"elements = {{ {(',' + chr(10) + chr(9) * 3).join(ordered)} }}"] if ordered else []
    return block(f"{kind} {name}", [f"type {key}", *listed])


def table(family: str, blocks: Iterable[list[str]]) -> tuple[str, list[str]]:
    """One table: its family, and its lines."""
    return family, [line for lines in blocks for line in lines]


def ruleset(tables: Iterable[tuple[str, list[str]]]) -> Ruleset:
    """The transaction that replaces our tables by these.

    Each table carries an empty chain named after the digest of all of them: what the kernel holds can be compared with
    what it should hold without reading a thousand rules back.
    """
    parts = list(tables)
    content = "\n".join("\n".join(block(f"table {family} {TABLE}", lines)) for family, lines in parts)
    digest = hashlib.sha256(content.encode()).hexdigest()[:DIGEST_LENGTH]
    text: list[str] = []
    for family, lines in parts:
        # Adding first makes the deletion valid whether or not the table exists.
        text += [f"table {family} {TABLE}", f"delete table {family} {TABLE}"]
        text += block(f"table {family} {TABLE}", [f"chain {DIGEST_CHAIN_PREFIX}{digest} {{ }}", *lines])
    return Ruleset(digest=digest, text="\n".join(text) + "\n")


def removal(families: Iterable[str]) -> str:
    """The transaction that leaves none of our tables."""
    return "".join(f"table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in families)


def quoted(name: str) -> str:
    """A link's name as nft wants it."""
    return f'"{name}"'
