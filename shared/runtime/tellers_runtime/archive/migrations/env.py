"""Alembic's entry: runs the revisions on the URL that `engine.migrate` passes in."""

from alembic import context
from sqlmodel import SQLModel

from tellers_runtime.archive import (  # noqa: F401 - registers the tables
    tables,
    webhook_tables,
)
from tellers_runtime.archive.engine import open_engine, writing

engine = open_engine(context.config.attributes["url"])
try:
    with writing(engine) as connection:
        context.configure(
            connection=connection,
            target_metadata=SQLModel.metadata,
            render_as_batch=True,
        )
        with context.begin_transaction():
            context.run_migrations()
finally:
    engine.dispose()
