import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Update, func, insert, inspect, make_url, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import column, table

from driftpin.clock import Clock
from driftpin.context.tokens import estimate_tokens
from driftpin.errors import UsageError
from driftpin.identity import IdSource, digest_of
from driftpin.store.database import Database, EngineKind
from driftpin.store.schema import (
    HEAD,
    MIGRATIONS,
    REVISIONS,
    VERSION_TABLE,
    migrate,
    prepare_schema,
)
from driftpin.store.tables import blobs, metadata, users, workspaces

BEFORE_TOKENS = "0008"
BEFORE_PLAIN_CONTENTS = "0015"


def differences(connection: Connection) -> list[object]:
    def is_ours(_object: object, name: str | None, kind: str, *_: object) -> bool:
        return not (kind == "table" and name == VERSION_TABLE)

    context = MigrationContext.configure(
        connection, opts={"include_object": is_ours, "compare_type": True}
    )
    found: list[object] = compare_metadata(context, metadata)
    return found


def written(index: Any) -> str:
    """A partial index's condition is an object that equals only itself."""
    options = {name: str(value) for name, value in index.pop("dialect_options", {}).items()}
    return str(sorted(index.items())) + str(sorted(options.items()))


def shape(connection: Connection) -> dict[str, object]:
    """Everything of the schema that a comparison by Alembic leaves out."""
    inspector = inspect(connection)
    found: dict[str, object] = {}
    for name in inspector.get_table_names():
        if name != VERSION_TABLE:
            found[name] = (
                inspector.get_pk_constraint(name),
                sorted(inspector.get_foreign_keys(name), key=str),
                sorted(inspector.get_check_constraints(name), key=str),
                sorted(map(written, inspector.get_indexes(name))),
                sorted(inspector.get_unique_constraints(name), key=str),
                [
                    (it["name"], str(it["type"]), it["nullable"])
                    for it in inspector.get_columns(name)
                ],
                inspector.get_table_options(name),
            )
    return found


async def test_migrations_add_up_to_the_tables(database: Database) -> None:
    async with database.connect_for_schema() as connection:
        assert await connection.run_sync(differences) == []
        names = await connection.run_sync(lambda it: set(inspect(it).get_table_names()))
        views = await connection.run_sync(lambda it: inspect(it).get_view_names())
    assert names == {*metadata.tables, VERSION_TABLE}
    assert views == ["chat_context_resources"]


async def test_keys_constraints_and_options_are_those_of_the_tables(database: Database) -> None:
    async with database.connect_for_schema() as connection:
        migrated = await connection.run_sync(shape)
        await connection.execute(text("DROP VIEW chat_context_resources"))
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert migrated == await connection.run_sync(shape)
        await connection.rollback()


def test_every_migration_is_known_by_name() -> None:
    written = sorted(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v*.py"))
    assert tuple(written) == REVISIONS


async def test_a_database_that_is_there_needs_nothing(database: Database) -> None:
    assert await prepare_schema(database) is False


@pytest.fixture
async def empty_url(
    engine_kind: EngineKind, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[str]:
    """The URL of a database with nothing in it, not even a schema."""
    if engine_kind is EngineKind.SQLITE:
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: str = request.getfixturevalue("postgres_server")
    connection = await asyncpg.connect(server)
    await connection.execute("CREATE DATABASE empty")
    yield make_url(server).set(database="empty").render_as_string()
    await connection.execute("DROP DATABASE empty WITH (FORCE)")
    await connection.close()


async def test_of_servers_that_start_together_one_migrates(
    empty_url: str, clock: Clock, ids: IdSource
) -> None:
    databases = [Database(empty_url, clock=clock, ids=ids) for _ in range(4)]
    migrated = await asyncio.gather(*(prepare_schema(database) for database in databases))
    for database in databases:
        await database.close()
    assert sorted(migrated) == [False, False, False, True]


async def put_blobs(
    connection: AsyncConnection, clock: Clock, ids: IdSource, contents: Collection[bytes]
) -> None:
    """Keep bytes in a workspace of a new user, as every release since the first can."""
    owner = {"id": ids.fresh(clock.now()), "created_at": clock.now(), "is_administrator": False}
    await connection.execute(insert(users).values(**owner, name=owner["id"]))
    here = {"id": ids.fresh(clock.now()), "name": "here", "created_at": clock.now()}
    await connection.execute(insert(workspaces).values(**here, owner_id=owner["id"], policy="pin"))
    rows = [
        {
            "workspace_id": here["id"],
            "digest": digest_of(content),
            "size_bytes": len(content),
            "content": content,
            "offered_at": clock.now(),
        }
        for content in contents
    ]
    await connection.execute(insert(blobs), rows)


async def test_blobs_of_an_earlier_release_get_their_tokens_counted(
    empty_url: str, clock: Clock, ids: IdSource
) -> None:
    database = Database(empty_url, clock=clock, ids=ids)
    contents = (b"", b"be kind", b"# Rules\n" * 100)
    async with database.connect_for_schema() as connection:
        await migrate(connection, BEFORE_TOKENS, database.reach)
        await put_blobs(connection, clock, ids, contents)
        await migrate(connection, HEAD, database.reach)
        found = (await connection.execute(select(blobs.c.digest, blobs.c.tokens))).all()
        await connection.rollback()
    await database.close()
    assert dict(map(tuple, found)) == {
        digest_of(content): estimate_tokens(content) for content in contents
    }


async def test_what_an_earlier_release_compressed_is_read_beside_what_stays_as_it_came(
    empty_url: str, clock: Clock, ids: IdSource
) -> None:
    database = Database(empty_url, clock=clock, ids=ids)
    text_of_many = b"# Rules\n" * 10_000
    is_postgres = database.engine_kind is EngineKind.POSTGRESQL
    kept_bytes = func.pg_column_size if is_postgres else func.length
    async with database.connect_for_schema() as connection:
        await migrate(connection, BEFORE_PLAIN_CONTENTS, database.reach)
        await put_blobs(connection, clock, ids, [text_of_many])
        await migrate(connection, HEAD, database.reach)
        await put_blobs(connection, clock, ids, [text_of_many])
        statement = select(blobs.c.content, kept_bytes(blobs.c.content)).order_by(blobs.c.id)
        (old, before_bytes), (new, after_bytes) = await connection.execute(statement)
        await connection.rollback()
    await database.close()
    assert old == new == text_of_many
    assert after_bytes == len(text_of_many)
    assert (before_bytes < after_bytes) is is_postgres


async def test_a_newer_schema_is_refused(database: Database) -> None:
    async with database.connect_for_schema() as connection:
        await connection.execute(_set_revision("9999"))
        await connection.commit()
    try:
        with pytest.raises(UsageError, match="'9999'") as refusal:
            await prepare_schema(database)
        assert refusal.value.code == "database_newer"
    finally:
        async with database.connect_for_schema() as connection:
            await connection.execute(_set_revision(HEAD))
            await connection.commit()


async def test_a_failed_migration_leaves_nothing(
    tmp_path: Path, clock: Clock, ids: IdSource
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}", clock=clock, ids=ids)
    async with database.connect_for_schema() as connection:
        await connection.execute(text("CREATE TABLE chats (taken INTEGER)"))
        await connection.commit()
    with pytest.raises(Exception, match="already exists"):
        await prepare_schema(database)
    async with database.connect_for_schema() as connection:
        names = await connection.run_sync(lambda it: inspect(it).get_table_names())
    await database.close()
    assert names == ["chats"]


def test_starting_on_a_ready_database_does_not_import_alembic(sqlite_template: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from driftpin.clock import SystemClock\n"
        "from driftpin.identity import RandomIds\n"
        "from driftpin.store.database import Database\n"
        "from driftpin.store.schema import prepare_schema\n"
        "async def main():\n"
        "    database = Database(sys.argv[1], clock=SystemClock(), ids=RandomIds())\n"
        "    await prepare_schema(database)\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
        "print('alembic' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, f"sqlite:///{sqlite_template}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout == "False\n"


def _set_revision(revision: str) -> Update:
    return update(table(VERSION_TABLE, column("version_num"))).values(version_num=revision)
