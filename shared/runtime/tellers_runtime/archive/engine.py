"""Opens the archive: SQLite with WAL, or PostgreSQL, and brings its schema up to date.

SQLite: `synchronous=FULL` (a commit is on disk), and writing transactions begin with
BEGIN IMMEDIATE: one that reads first and writes later would get SQLITE_BUSY whatever
the timeout.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event

BUSY_TIMEOUT_MS = 5000
# PostgreSQL: a process that is frozen, or cut off, in the middle of a transaction must
# not keep its locks; a dead network must not keep us.
POSTGRES = {
    "options": "-c idle_in_transaction_session_timeout=5s",
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,  # milliseconds
}


def open_engine(url: str) -> Engine:
    """An engine for the archive at that SQLAlchemy URL."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, connect_args=POSTGRES)
    engine = create_engine(url)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tellers_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: committed at the end, rolled back on any error."""
    with (
        engine.connect().execution_options(tellers_writes=True) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that reads one state of the archive, whatever is written beside."""
    options = {}
    if engine.dialect.name != "sqlite":
        options["isolation_level"] = "REPEATABLE READ"
    with (
        engine.connect().execution_options(**options) as connection,
        connection.begin(),
    ):
        yield connection


def migrate(url: str) -> None:
    """Bring the schema to the newest revision; does nothing when it is there."""
    config = Config()
    folder = resources.files("tellers_runtime.archive") / "migrations"
    config.set_main_option("script_location", str(folder))
    config.attributes["url"] = url
    command.upgrade(config, "head")
