"""How the log's SQLite file is opened: durable by explicit choice, one writer.

WAL with `synchronous=FULL` syncs the log file at every commit (sqlite.org/pragma.html#pragma_
synchronous); `fullfsync` asks for the stronger flush where the platform has one. Transactions are
begun by hand (`BEGIN IMMEDIATE`), because a deferred one that upgrades fails without waiting.
"""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from transire.errors import IntegrityError
from transire.storage.tables import DDL, SCHEMA_VERSION

__all__ = ["LOG_FILE", "open_reader", "open_writer"]

LOG_FILE: Final = "log.sqlite"
_BUSY_MS: Final = 2_000
_FULL: Final = 2
"""`PRAGMA synchronous` as SQLite reports FULL."""


def open_writer(path: Path) -> Connection:
    """The one connection that writes; creates the tables where they are missing.

    Raises:
        IntegrityError: another version's schema, or a file system that cannot keep WAL durable.
    """
    connection = _connect(f"sqlite:///{path}", is_reader=False)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        connection.engine.dispose()
        raise
    return connection


def open_reader(path: Path) -> Connection:
    """A connection that can only read; may be used from another thread than it was opened in."""
    return _connect(f"sqlite:///file:{path}?mode=ro&uri=true", is_reader=True)


def _prepare(connection: Connection) -> None:
    def pragma(name: str) -> object:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()

    if (pragma("journal_mode"), pragma("synchronous")) != ("wal", _FULL):
        raise IntegrityError("the database cannot be held in WAL mode with synchronous=FULL")
    version = pragma("user_version")
    if version not in (0, SCHEMA_VERSION):
        raise IntegrityError(f"the database has schema {version}, this program {SCHEMA_VERSION}")
    for statement in DDL:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA_VERSION}")


def _connect(url: str, *, is_reader: bool) -> Connection:
    engine = create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,  # an error must not quote an entry (I6)
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
