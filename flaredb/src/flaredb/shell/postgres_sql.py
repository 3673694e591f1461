"""What is said to PostgreSQL: the tables, and one statement for each thing that the store asks.

The tables hold what the embedded engine's columns do, as `flaredb.core.keys` and `flaredb.core.records` write it: a row
of `data` is a version of an encoded key. Change feed and ends are indexes over `data`. `head` is the counters, written
by each commit; `history` is what changes seldom. Both carry the writer's epoch: a commit happens only while `head` has
it, and every read says which one it saw.

Each statement is one snapshot and one round trip, and has one right plan, along an index (`SESSION_SETTINGS`).

Source: PostgreSQL 15 manual, 7.8.4 "Data-Modifying Statements in WITH", 13.2.1 "Read Committed Isolation Level" (an
UPDATE that waited for another looks at the row again), 20.7.1 "Planner Method Configuration".
"""

from __future__ import annotations

FORMAT = "flaredb postgres 1"
"""What `head` says; a schema that says anything else is not opened."""

SESSION_SETTINGS = {
    # A plan that sorts or reads whole tables is never right here, and a table's statistics may be old.
    "enable_seqscan": "off",
    "enable_sort": "off",
    "max_parallel_workers_per_gather": "0",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    # The plans above cost "infinitely" much on paper, which would have each of them compiled.
    "jit": "off",
    # A flaredb whose machine is gone holds its lock until the server notices.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""Settings of every session, where the server knows them."""

SET_SESSION = """
SELECT set_config(wanted.name, wanted.value, false)
FROM unnest($1::text[], $2::text[]) AS wanted(name, value)
JOIN pg_settings AS known ON known.name = wanted.name
"""
SET_DURABLE = """
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit', true) IN ('off', 'local', 'remote_write')
"""
"""A commit is on the server's disk, and on its synchronous replicas' if it has any, before it is answered."""
DESCRIBE_SERVER = """
SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS version_name,
       current_setting('server_encoding') AS encoding, current_setting('fsync', true) AS fsync,
       pg_is_in_recovery() AS is_replica
"""

TRY_LOCK = "SELECT pg_try_advisory_lock($1)"
LOCK_HOLDER = """
SELECT activity.application_name
FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((held.classid::bigint << 32) | held.objid::bigint) = $1
"""
CREATE_SCHEMA = 'CREATE SCHEMA IF NOT EXISTS "{schema}"'
CREATE_TABLES = (
    """CREATE TABLE IF NOT EXISTS head (
        is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
        format text NOT NULL, epoch bigint NOT NULL,
        version bigint NOT NULL, at_ms bigint NOT NULL, changes bigint NOT NULL, bytes bigint NOT NULL
    ) WITH (fillfactor = 20)""",
    """CREATE TABLE IF NOT EXISTS history (
        is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
        epoch bigint NOT NULL, floor bigint NOT NULL, swept bigint NOT NULL
    ) WITH (fillfactor = 20)""",
    """CREATE TABLE IF NOT EXISTS mark (
        version bigint PRIMARY KEY, at_ms bigint NOT NULL, changes bigint NOT NULL, bytes bigint NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS data (
        key bytea NOT NULL, version bigint NOT NULL, ordinal integer NOT NULL, expires_at_ms bigint,
        record bytea NOT NULL
    )""",
    "CREATE UNIQUE INDEX IF NOT EXISTS data_key ON data (key, version DESC)",
    "CREATE INDEX IF NOT EXISTS data_version ON data (version, ordinal)",
    "CREATE INDEX IF NOT EXISTS data_expiry ON data (expires_at_ms) WHERE expires_at_ms IS NOT NULL",
    "INSERT INTO history (epoch, floor, swept) VALUES (0, 0, 0) ON CONFLICT DO NOTHING",
)
MAKE_HEAD = """
INSERT INTO head (format, epoch, version, at_ms, changes, bytes) VALUES ($1, 0, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
MAKE_HISTORY = "UPDATE history SET floor = $1, swept = $1"
"""What is before the version of a new schema is no history of it: nobody may watch from there."""
FIND_TABLES = "SELECT to_regclass('head') IS NOT NULL"
READ_FORMAT = "SELECT format FROM head"
READ_EPOCH = "SELECT epoch FROM history"
TAKE_OVER = "UPDATE head SET epoch = epoch + 1 RETURNING epoch, version, at_ms, changes, bytes"
TAKE_OVER_HISTORY = "UPDATE history SET epoch = $1 RETURNING floor, swept"
READ_MARKS = "SELECT version, at_ms, changes, bytes FROM mark ORDER BY version"

COMMIT = """
WITH fence AS (
    UPDATE head SET version = $3, at_ms = $4, changes = $5, bytes = $6 WHERE epoch = $1 AND version = $2 RETURNING 1
), marked AS (
    INSERT INTO mark (version, at_ms, changes, bytes) SELECT $3, $4, $5, $6 FROM fence WHERE $7
), written AS (
    INSERT INTO data (key, version, ordinal, expires_at_ms, record)
    SELECT added.* FROM fence, unnest($8::bytea[], $9::bigint[], $10::int[], $11::bigint[], $12::bytea[]) AS added
)
SELECT count(*) FROM fence
"""
"""1 if the batch was committed, 0 if the writer's epoch or version is no longer the head's."""


def _of_history(query: str, order: str) -> str:
    """A read that answers with the epoch and the floor of its own snapshot too, in at least one row."""
    read = (
        "SELECT history.epoch, history.floor, found.* FROM history LEFT JOIN LATERAL ({}) AS found ON true ORDER BY {}"
    )
    return read.format(query, order)


READ_KEY = _of_history(
    "SELECT version, record FROM data WHERE key = $1 AND version <= $2 ORDER BY version DESC LIMIT 1", "found.version"
)
READ_STANDINGS = """
SELECT wanted.at, newest.record, newest.version
FROM unnest($1::bytea[]) WITH ORDINALITY AS wanted(key, at)
CROSS JOIN LATERAL (SELECT * FROM data WHERE data.key = wanted.key ORDER BY version DESC LIMIT 1) AS newest
WHERE newest.record <> '\\x00'
"""
"""The newest versions of keys, by their place in the list, without the deleted."""
READ_STANDINGS_OF_RANGE = """
SELECT key, version, record FROM (
    SELECT DISTINCT ON (key) key, version, record FROM data WHERE key >= $1 AND key < $2 ORDER BY key, version DESC
) AS newest
WHERE record <> '\\x00' ORDER BY key LIMIT $3
"""

READ_KEYS = _of_history(
    """
SELECT at, version, record FROM (
    SELECT wanted.at, seen.version, seen.record,
           sum(octet_length(seen.record))
               OVER (ORDER BY wanted.at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM unnest($1::bytea[]) WITH ORDINALITY AS wanted(key, at)
    CROSS JOIN LATERAL (
        SELECT * FROM data WHERE data.key = wanted.key AND version <= $2 ORDER BY version DESC LIMIT 1
    ) AS seen
    WHERE seen.record <> '\\x00' AND (seen.expires_at_ms IS NULL OR seen.expires_at_ms > $3)
) AS sized WHERE coalesce(before, 0) <= $4
""",
    "found.at",
)
"""Values of keys that have not ended by `$3`, by their place in the list, until they are more bytes than `$4`."""

_SEEN = """
            SELECT DISTINCT ON (key) * FROM data
            WHERE key >= $1 AND key < $2 AND version <= $3 ORDER BY key, version DESC
"""
_SEEN_BACKWARD = """
            SELECT present.key, newest.version, newest.record, newest.expires_at_ms FROM (
                SELECT DISTINCT ON (key) key FROM data
                WHERE key >= $1 AND key < $2 AND version <= $3 ORDER BY key DESC
            ) AS present
            CROSS JOIN LATERAL (
                SELECT * FROM data WHERE data.key = present.key AND version <= $3 ORDER BY version DESC LIMIT 1
            ) AS newest
"""
"""Backward, the index has a key's oldest version first, and finding the newest as above would sort the whole range."""
_SCAN = _of_history(
    """
SELECT key, version, record, expires_at_ms, more FROM (
    SELECT key, version, {record} AS record, expires_at_ms, lead(key) OVER (ORDER BY key {order}) IS NOT NULL AS more,
           sum(octet_length(key) + {size})
               OVER (ORDER BY key {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM (
        SELECT * FROM (
{seen}
        ) AS seen
        WHERE record <> '\\x00' AND (expires_at_ms IS NULL OR expires_at_ms > $4) ORDER BY key {order} LIMIT $5 + 1
    ) AS page
) AS sized WHERE coalesce(before, 0) < $6
""",
    "found.key {order}",
)


def scan(*, reverse: bool, keys_only: bool) -> str:
    """Keys of a range that exist at a version and have not ended by a time, with whether more follow.

    Parameters: lower and upper bound, version, time, keys, bytes after which the page ends.
    """
    record, size = ("'\\x01'::bytea", "0") if keys_only else ("record", "octet_length(record)")
    order, seen = ("DESC", _SEEN_BACKWARD) if reverse else ("ASC", _SEEN)
    return _SCAN.format(record=record, size=size, order=order, seen=seen)


READ_NAMESPACES = _of_history(
    """
WITH RECURSIVE named(name) AS (
    (SELECT substring(key FOR position('\\x00'::bytea IN key) - 1) FROM data WHERE key >= $1 ORDER BY key LIMIT 1)
    UNION ALL
    SELECT (
        SELECT substring(key FOR position('\\x00'::bytea IN key) - 1) FROM data
        WHERE key >= named.name || $3 ORDER BY key LIMIT 1
    ) FROM named WHERE named.name IS NOT NULL
)
SELECT name FROM named WHERE name IS NOT NULL LIMIT $2
""",
    "found.name",
)
"""Names of namespaces whose keys stand at `$1` or after it; `$3` is what follows a name where its keys have ended."""

READ_CHANGES = _of_history(
    """
SELECT key, version, ordinal, record FROM (
    SELECT key, version, ordinal, record,
           sum(octet_length(key) + octet_length(record))
               OVER (ORDER BY version RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM data
    -- Concatenated, so that the versions' index is used: the range may be all there is.
    WHERE version > $1 AND version <= $2 AND (key || '\\x') >= $3 AND (key || '\\x') < $4
) AS sized WHERE coalesce(before, 0) < $5
""",
    "found.version, found.ordinal",
)
"""Changes of a range after one version and up to another, whole commits, until they are more bytes than `$5`."""

READ_OVERDUE = """
SELECT key, expires_at_ms FROM data
WHERE expires_at_ms >= $1 AND expires_at_ms <= $2
  AND NOT EXISTS (SELECT FROM data AS newer WHERE newer.key = data.key AND newer.version > data.version)
ORDER BY expires_at_ms LIMIT $3
"""
"""Keys whose newest value has ended, by when it did."""

RAISE_FLOOR = """
WITH raised AS (UPDATE history SET floor = $2 WHERE epoch = $1 AND floor <= $2 RETURNING 1),
     gone AS (DELETE FROM mark USING raised WHERE mark.version < $2)
SELECT count(*) FROM raised
"""
SWEEP = """
WITH advanced AS (UPDATE history SET swept = $3 WHERE epoch = $1 AND swept = $2 RETURNING 1),
     changed AS (SELECT DISTINCT key FROM data, advanced WHERE version > $2 AND version <= $3),
     gone AS (
        DELETE FROM data USING changed
        WHERE data.key = changed.key AND data.version <= $3 AND (
            data.record = '\\x00' OR data.version < (
                SELECT version FROM data AS newer
                WHERE newer.key = changed.key AND newer.version <= $3 ORDER BY version DESC LIMIT 1
            )
        )
     )
SELECT count(*) FROM advanced
"""
"""Deletes, of each key changed after `$2` and up to `$3`, what nobody who reads at `$3` or after can see."""
