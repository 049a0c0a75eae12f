"""The log database's tables, as DDL; one file per installation, separate from everything else.

`log_id` stands in every key from the first day, so that per-replica logs are a setting later, not
a migration. `log`, `checkpoint` and `blob` are append-only twice: triggers stop mistakes, and the
Merkle tree shows what an attacker with write access did.

`log` and `blob` keep their rowids: in a table without them a row beyond a quarter of a page spills
into a page of its own (sqlite.org/withoutrowid.html), which entries of 2 kB would all do.
"""

from typing import Final

__all__ = ["DDL", "SCHEMA_VERSION"]

SCHEMA_VERSION: Final = 1

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS log (
        log_id INTEGER NOT NULL, idx INTEGER NOT NULL,
        leaf BLOB NOT NULL, leaf_hash BLOB NOT NULL,
        PRIMARY KEY (log_id, idx))""",
    """CREATE TABLE IF NOT EXISTS head (
        log_id INTEGER PRIMARY KEY, size INTEGER NOT NULL, compact_range BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS checkpoint (
        log_id INTEGER NOT NULL, size INTEGER NOT NULL, note TEXT NOT NULL,
        PRIMARY KEY (log_id, size)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS state (
        log_id INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (log_id, key)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS blob (
        log_id INTEGER NOT NULL, digest TEXT NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (log_id, digest))""",
    """CREATE TABLE IF NOT EXISTS disclosure (
        log_id INTEGER NOT NULL, idx INTEGER NOT NULL, digest TEXT NOT NULL, data TEXT NOT NULL,
        PRIMARY KEY (log_id, digest)) WITHOUT ROWID""",
)

DDL: Final = (
    *_TABLES,
    *(
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in ("log", "checkpoint", "blob")
        for verb in ("UPDATE", "DELETE")
    ),
)
