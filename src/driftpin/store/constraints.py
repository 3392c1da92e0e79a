"""Whether a database has the constraints that the code relies on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Table, UniqueConstraint, inspect
from sqlalchemy.engine.interfaces import ReflectedPrimaryKeyConstraint

from driftpin.store.database import Database
from driftpin.store.tables import metadata


async def find_missing_constraints(database: Database) -> tuple[str, ...]:
    """Return what the schema says and the database lacks, by table; empty for a sound one."""
    async with database.read() as connection:
        return await connection.run_sync(missing_constraints)


def missing_constraints(connection: Connection) -> tuple[str, ...]:
    """Do the same on a connection."""
    inspector = inspect(connection)
    held = _Held(
        keys={
            name: _columns(key) for (_, name), key in inspector.get_multi_pk_constraint().items()
        },
        references={
            name: {(frozenset(key["constrained_columns"]), key["referred_table"]) for key in keys}
            for (_, name), keys in inspector.get_multi_foreign_keys().items()
        },
        uniques={
            name: {frozenset(unique["column_names"]) for unique in uniques}
            for (_, name), uniques in inspector.get_multi_unique_constraints().items()
        },
    )
    return tuple(
        f"{table.name}: {what}"
        for table in metadata.sorted_tables
        for what in _missing(held, table)
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """What the database has, by table."""

    keys: Mapping[str, tuple[str, ...]]
    references: Mapping[str, set[tuple[frozenset[str], str]]]
    uniques: Mapping[str, set[frozenset[str]]]


def _columns(key: ReflectedPrimaryKeyConstraint | None) -> tuple[str, ...]:
    return () if key is None else tuple(key["constrained_columns"])


def _missing(held: _Held, table: Table) -> Iterator[str]:
    if table.name not in held.keys:
        yield "the table"
        return
    key = tuple(column.name for column in table.primary_key)
    if held.keys[table.name] != key:
        yield f"primary key {', '.join(key)}"
    references = held.references.get(table.name, set())
    for constraint in sorted(table.foreign_key_constraints, key=lambda key: tuple(key.column_keys)):
        if (frozenset(constraint.column_keys), constraint.referred_table.name) not in references:
            yield f"foreign key {', '.join(constraint.column_keys)}"
    for columns in sorted(_uniques(table) - held.uniques.get(table.name, set()), key=sorted):
        yield f"unique {', '.join(sorted(columns))}"


def _uniques(table: Table) -> set[frozenset[str]]:
    return {
        frozenset(column.name for column in constraint.columns)
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    }


__all__ = ["find_missing_constraints", "missing_constraints"]
