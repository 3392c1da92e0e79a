"""Whether rows of different tables agree: histories with their inputs, receipts, references.

As in `store.reading.integrity`, a query looks at one instant, and what is long is read in pages.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    Row,
    Select,
    and_,
    exists,
    or_,
    select,
    tuple_,
    union_all,
)

from driftpin.chat.receipts import digest_of_entry, entry_from_json, verify_chain
from driftpin.errors import Malformed
from driftpin.store.database import Database
from driftpin.store.tables import (
    agent_heads,
    agents,
    chat_pin_history,
    chat_pins,
    chats,
    metadata,
    receipts,
    snapshots,
)

ROWS_PER_PAGE: Final = 500
FROM_HEADS: Final = ("hydrate", "rebind")
# In the inputs of a move to what was derived of a pin and a head (`store.reading.replays`).
TAKEN: Final = "taken"

AnyRow = Row[*tuple[Any, ...]]


def numbers_behind() -> Select[Any]:
    """Choose agents whose numbers lie behind a head that was accepted, or behind each other."""
    later = and_(
        agent_heads.c.agent_id == agents.c.id,
        tuple_(agent_heads.c.incarnation, agent_heads.c.seq)
        > tuple_(agents.c.head_incarnation, agents.c.head_seq),
    )
    return select(agents.c.id).where(
        or_(exists().where(later), agents.c.incarnation < agents.c.head_incarnation)
    )


def unpinned_rows() -> Select[Any]:
    """Choose chats without the row of their pin."""
    return select(chats.c.id).where(~exists().where(chat_pins.c.chat_id == chats.c.id))


def targets_from_nowhere() -> Select[Any]:
    """Choose moves to what their agent never had, and back to what the chat never had."""
    earlier = chat_pin_history.alias("earlier")
    was_head = exists().where(
        agent_heads.c.agent_id == chat_pin_history.c.agent_id,
        agent_heads.c.digest == chat_pin_history.c.to_digest,
    )
    was_pinned = exists().where(
        earlier.c.chat_id == chat_pin_history.c.chat_id,
        earlier.c.revision < chat_pin_history.c.revision,
        earlier.c.to_digest == chat_pin_history.c.to_digest,
    )
    return select(chat_pin_history.c.chat_id, chat_pin_history.c.revision).where(
        chat_pin_history.c.to_digest.is_not(None),
        or_(
            and_(
                chat_pin_history.c.verb.in_(FROM_HEADS),
                ~chat_pin_history.c.inputs.contains(f'"{TAKEN}":', autoescape=True),
                ~was_head,
            ),
            and_(chat_pin_history.c.verb == "roll_back", ~was_pinned),
        ),
    )


def other_references() -> Select[Any]:
    """Choose rows whose digest and whose reference name different snapshots."""
    history, entries = chat_pin_history.c, receipts.c
    parts = [
        _other(history.from_id, history.from_digest, history.chat_id, history.revision),
        _other(history.to_id, history.to_digest, history.chat_id, history.revision),
        _other(entries.snapshot_id, entries.snapshot_digest, entries.chat_id, entries.number),
        _other(
            agent_heads.c.snapshot_id,
            agent_heads.c.digest,
            agent_heads.c.agent_id,
            agent_heads.c.seq,
        ),
    ]
    found = union_all(*parts).subquery()
    return select(found.c.owner, found.c.number).order_by(found.c.owner, found.c.number)


def _other(
    reference: Column[Any], digest: Column[Any], owner: Column[Any], number: Column[Any]
) -> Select[Any]:
    return (
        select(owner.label("owner"), number.label("number"))
        .join(snapshots, snapshots.c.id == reference)
        .where(digest.is_distinct_from(snapshots.c.digest))
    )


async def find_unexplained_moves(database: Database) -> AsyncIterator[str]:
    """Give moves whose inputs speak of something else than what was done."""
    key = (chat_pin_history.c.chat_id, chat_pin_history.c.revision)
    async for row in _pages(database, select(chat_pin_history), key):
        if not _is_explained(row):
            yield f"{row.chat_id}/{row.revision}"


def _is_explained(row: AnyRow) -> bool:
    try:
        inputs = json.loads(row.inputs)
        match row.verb:
            case "hydrate" | "rebind":
                return bool(inputs["agent_id"] == row.agent_id)
            case "roll_back":
                return bool(inputs["to"] == row.to_digest)
            case "refresh" | "apply_policy" if TAKEN in inputs:
                return True
            case "refresh" | "apply_policy":
                # A refresh names the head that was shown, if any; a policy the one that it took.
                named = inputs.get("to") if row.verb == "refresh" else inputs["head"]
                return named in (None, row.to_digest)
            case _:
                return isinstance(inputs, dict)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


async def find_broken_receipts(database: Database) -> AsyncIterator[str]:
    """Give chats whose chain of receipts is not whole, or not what its digests say."""
    key = (receipts.c.chat_id, receipts.c.number)
    chain: list[AnyRow] = []
    async for row in _pages(database, select(receipts), key):
        if chain and chain[0].chat_id != row.chat_id:
            if not _is_whole(chain):
                yield str(chain[0].chat_id)
            chain = []
        chain.append(row)
    if chain and not _is_whole(chain):
        yield str(chain[0].chat_id)


def _is_whole(rows: list[AnyRow]) -> bool:
    try:
        entries = [entry_from_json(json.loads(row.content)) for row in rows]
    except (Malformed, ValueError):
        return False
    is_numbered = [row.number for row in rows] == list(range(1, len(rows) + 1))
    is_named = all(
        (row.digest, row.previous_digest) == (digest_of_entry(entry), entry.previous)
        and row.chat_id == entry.request.chat_id
        and row.snapshot_digest == entry.request.snapshot
        for row, entry in zip(rows, entries, strict=True)
    )
    return is_numbered and is_named and not verify_chain(entries)


async def find_dangling_references(database: Database) -> AsyncIterator[str]:
    """Give every foreign key that some rows break, whether the database has it or not."""
    for name, statement in _foreign_keys():
        async with database.read() as connection:
            if (await connection.execute(statement.limit(1))).first() is not None:
                yield name


def _foreign_keys() -> Iterator[tuple[str, Select[Any]]]:
    for table in metadata.sorted_tables:
        for constraint in table.foreign_key_constraints:
            yield f"{table.name}.{'+'.join(constraint.column_keys)}", _breaking(constraint)


def _breaking(constraint: ForeignKeyConstraint) -> Select[Any]:
    named = constraint.referred_table.alias("named")
    pairs = [(element.parent, named.c[element.column.name]) for element in constraint.elements]
    is_there: list[ColumnElement[bool]] = [column == target for column, target in pairs]
    is_set = [column.is_not(None) for column, _ in pairs]
    return select(*(column for column, _ in pairs)).where(
        *is_set, ~select(named.c[pairs[0][1].name]).where(*is_there).exists()
    )


async def _pages(
    database: Database, statement: Select[Any], key: tuple[Column[Any], Column[Any]]
) -> AsyncIterator[AnyRow]:
    place = tuple_(*key)
    page = statement.order_by(*key).limit(ROWS_PER_PAGE)
    after: tuple[Any, Any] | None = None
    while True:
        asked = page if after is None else page.where(place > after)
        async with database.read() as connection:
            rows = (await connection.execute(asked)).all()
        for row in rows:
            yield row
        if len(rows) < ROWS_PER_PAGE:
            return
        last = rows[-1]
        after = (getattr(last, key[0].name), getattr(last, key[1].name))


__all__ = [
    "find_broken_receipts",
    "find_dangling_references",
    "find_unexplained_moves",
    "numbers_behind",
    "other_references",
    "targets_from_nowhere",
    "unpinned_rows",
]
