"""Transactions in their most common form: write if nothing has changed since it was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ultracloud.servicekit.coordination.words import Delete, Put, Txn, mod_revision


def guarded(comparisons: Mapping[bytes, int], puts: Mapping[bytes, bytes], deletes: Sequence[bytes], lease: int) -> Txn:
    """Write if every key has that mod revision."""
    return (
        Txn()
        .when(*(mod_revision(key).equal(wanted) for key, wanted in comparisons.items()))
        .then(*(Put(key=key, value=value, lease=lease) for key, value in puts.items()))
        .then(*(Delete(key=key) for key in deletes))
    )
