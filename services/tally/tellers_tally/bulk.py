"""Many rows in few statements.

Given rows one by one, SQLAlchemy looks at every value, which takes longer than the
database does; and a driver lets others run at each row, whose turn may last 5 ms while
the next entries are being counted. A statement of many rows is one turn.
"""

from collections.abc import Sequence
from itertools import chain

from sqlalchemy import Connection, Table
from sqlmodel import SQLModel

# The statement's text is the same each time but for the last rows, so it is prepared
# once. Well below what a statement may have of values (SQLite: 32,766).
ROWS_AT_ONCE = 200

Row = tuple[str | int | bytes, ...]


def insert(connection: Connection, table: type[SQLModel], rows: Sequence[Row]) -> None:
    """Write new rows: all columns, in the table's order."""
    _write(connection, table, rows, "")


def upsert(connection: Connection, table: type[SQLModel], rows: Sequence[Row]) -> None:
    """Write rows, over those of the same primary key; no two of them have the same."""
    columns = _table(table).columns
    primary = ", ".join(column.name for column in columns if column.primary_key)
    values = ", ".join(
        f"{column.name} = excluded.{column.name}"
        for column in columns
        if not column.primary_key
    )
    _write(connection, table, rows, f" ON CONFLICT ({primary}) DO UPDATE SET {values}")


def _write(
    connection: Connection, table: type[SQLModel], rows: Sequence[Row], conflict: str
) -> None:
    target = _table(table)
    names = [column.name for column in target.columns]
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    one = f"({', '.join([mark] * len(names))})"
    head = f"INSERT INTO {target.name} ({', '.join(names)}) VALUES "
    for start in range(0, len(rows), ROWS_AT_ONCE):
        few = rows[start : start + ROWS_AT_ONCE]
        text = f"{head}{', '.join([one] * len(few))}{conflict}"
        connection.exec_driver_sql(text, tuple(chain.from_iterable(few)))


def _table(table: type[SQLModel]) -> Table:
    found: Table = table.__table__  # type: ignore[attr-defined]
    return found
