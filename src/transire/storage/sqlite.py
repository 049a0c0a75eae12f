"""How the log's SQLite file is opened: durable by explicit choice, one writer.

WAL with `synchronous=FULL` syncs the log file at every commit (sqlite.org/pragma.html#pragma_
synchronous); `fullfsync` asks for the stronger flush where the platform has one. Transactions are
begun by hand (`BEGIN IMMEDIATE`), because a deferred one that upgrades fails without waiting.
"""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from transire.storage.tables import DDL, SCHEMA_VERSION

__all__ = ["LOG_FILE", "open_reader", "open_writer"]

LOG_FILE: Final = "log.sqlite"
_BUSY_MS: Final = 2_000


def open_writer(path: Path) -> Connection:
    """The one connection that writes; creates the tables where they are missing."""
    connection = _connect(f"sqlite:///{path}", is_reader=False)
    for statement in DDL:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA_VERSION}")
    return connection


def open_reader(path: Path) -> Connection:
    """A connection that can only read; may be used from another thread than it was opened in."""
    return _connect(f"sqlite:///file:{path}?mode=ro&uri=true", is_reader=True)


def _connect(url: str, *, is_reader: bool) -> Connection:
    engine = create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _configure(raw: Any, _record: object) -> None:
        raw.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        if is_reader:
            raw.execute("PRAGMA query_only=ON")
            return
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA fullfsync=1")
        raw.execute("PRAGMA secure_delete=ON")

    return engine.connect()
