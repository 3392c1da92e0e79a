"""Whether a database has the constraints that the code relies on."""

from collections.abc import Iterator

from sqlalchemy import Connection, Inspector, Table, UniqueConstraint, inspect

from driftpin.store.database import Database
from driftpin.store.tables import metadata


async def find_missing_constraints(database: Database) -> tuple[str, ...]:
    """Return what the schema says and the database lacks, by table; empty for a sound one."""
    async with database.read() as connection:
        return await connection.run_sync(missing_constraints)


def missing_constraints(connection: Connection) -> tuple[str, ...]:
    """Do the same on a connection."""
    inspector = inspect(connection)
    known = set(inspector.get_table_names())
    found: list[str] = []
    for table in metadata.sorted_tables:
        if table.name in known:
            found.extend(f"{table.name}: {what}" for what in _missing(inspector, table))
        else:
            found.append(f"{table.name}: the table")
    return tuple(found)


def _missing(inspector: Inspector, table: Table) -> Iterator[str]:
    key = tuple(column.name for column in table.primary_key)
    if tuple(inspector.get_pk_constraint(table.name)["constrained_columns"]) != key:
        yield f"primary key {', '.join(key)}"
    references = {
        (frozenset(held["constrained_columns"]), held["referred_table"])
        for held in inspector.get_foreign_keys(table.name)
    }
    for constraint in sorted(
        table.foreign_key_constraints, key=lambda held: tuple(held.column_keys)
    ):
        if (frozenset(constraint.column_keys), constraint.referred_table.name) not in references:
            yield f"foreign key {', '.join(constraint.column_keys)}"
    yield from _missing_uniques(inspector, table)


def _missing_uniques(inspector: Inspector, table: Table) -> Iterator[str]:
    held = {
        frozenset(unique["column_names"]) for unique in inspector.get_unique_constraints(table.name)
    }
    held |= {
        frozenset(name for name in index["column_names"] if name)
        for index in inspector.get_indexes(table.name)
        if index["unique"]
    }
    wanted = {
        frozenset(column.name for column in constraint.columns)
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    }
    for columns in sorted(wanted - held, key=sorted):
        yield f"unique {', '.join(sorted(columns))}"


__all__ = ["find_missing_constraints", "missing_constraints"]
