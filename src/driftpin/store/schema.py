"""Bringing a database to the schema that this release knows, before anything else touches it.

A database that is there already costs one small read: Alembic is imported only when something is to
be done. Migrations run in one transaction under a lock, so of several servers that start together
one migrates and the others find it done. They only go forward; the way back is a backup.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, MetaData, Table, Text, func, inspect, select, util
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import DropView
from sqlalchemy.sql import column, table

from driftpin.errors import UsageError
from driftpin.failpoints import Failpoint, Reach
from driftpin.store.database import Database, EngineKind
from driftpin.store.reading.pulse import VERSION_TABLE

REVISIONS: Final = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
)
HEAD: Final = REVISIONS[-1]
MIGRATIONS: Final = Path(__file__).parent / "migrations"
VIEW: Final = "chat_context_resources"
# Any fixed number: it names the lock among PostgreSQL's advisory locks.
MIGRATION_LOCK: Final = 0x64_72_69_66_74


async def prepare_schema(database: Database) -> bool:
    """Bring the schema to `HEAD`; return whether there was anything to do.

    Raises UsageError (`database_newer`) for a database that a newer release has migrated.
    """
    async with database.connect_for_schema() as connection:
        if await find_revision(connection) == HEAD:
            return False
        await connection.rollback()
        await lock_schema(connection)
        is_behind = await find_revision(connection) != HEAD
        if is_behind:
            await migrate(connection, HEAD, database.reach)
        await connection.commit()
        return is_behind


async def require_current_schema(connection: AsyncConnection) -> str:
    """Return the revision, which is the one that this release writes.

    Raises UsageError: `no_database`, `database_older`, `database_newer`.
    """
    revision = await find_revision(connection)
    if revision is None:
        raise UsageError("There is nothing of driftpin in this database.", code="no_database")
    if revision != HEAD:
        raise UsageError(
            f"The database is at revision {revision!r} and this release writes {HEAD!r}; start the "
            "server once, which brings it up to date.",
            code="database_older",
        )
    return revision


async def require_known_schema(connection: AsyncConnection) -> None:
    """Raise UsageError (`database_newer`) for a database that a newer release has migrated."""
    await lock_schema(connection)
    await find_revision(connection)


async def lock_schema(connection: AsyncConnection) -> None:
    """Keep every other process from changing the schema until the transaction ends."""
    if connection.dialect.name == EngineKind.POSTGRESQL:
        await connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))


async def migrate(connection: AsyncConnection, revision: str, reach: Reach) -> None:
    """Bring the schema forward to the revision, inside the connection's transaction."""
    await connection.run_sync(_migrate, revision, reach)


def drop_views(connection: Connection) -> None:
    """Drop the views that people with SQL in hand read."""
    if VIEW in inspect(connection).get_view_names():
        connection.execute(DropView(Table(VIEW, MetaData())))


async def find_revision(connection: AsyncConnection) -> str | None:
    """Return the revision, None without tables; raises UsageError (`database_newer`)."""
    is_there = await connection.run_sync(
        lambda inspected: inspect(inspected).has_table(VERSION_TABLE)
    )
    if not is_there:
        return None
    statement = select(column("version_num", Text())).select_from(table(VERSION_TABLE))
    revision: str | None = await connection.scalar(statement)
    if revision is not None and revision not in REVISIONS:
        raise UsageError(
            f"The database is at revision {revision!r}, and this release knows {HEAD!r} at most; "
            "install the newer release again, or restore a backup.",
            code="database_newer",
        )
    return revision


def _migrate(connection: Connection, target: str, reach: Reach) -> None:
    # Imported here because it takes longer than starting on a database that is up to date.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(MIGRATIONS))
    environment = EnvironmentContext(
        Config(),
        scripts,
        fn=lambda revision, _: scripts._upgrade_revs(target, revision),  # noqa: SLF001 the way alembic.command.upgrade does it
    )

    def reach_step(*_: object, **__: object) -> None:
        util.await_only(reach(Failpoint.MIGRATE_STEP))

    with environment:
        environment.configure(
            connection=connection, transactional_ddl=True, on_version_apply=reach_step
        )
        environment.run_migrations()


__all__ = [
    "HEAD",
    "MIGRATIONS",
    "REVISIONS",
    "VERSION_TABLE",
    "drop_views",
    "find_revision",
    "lock_schema",
    "migrate",
    "prepare_schema",
    "require_current_schema",
    "require_known_schema",
]
