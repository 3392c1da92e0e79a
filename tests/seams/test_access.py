"""Every door of the store, tried by every caller, on both engines; a door without a row fails.

Besides what each caller finds, two things are watched at the statements themselves: the first that
asks for rows says who asks, and whoever is refused was never brought a row.
"""

import pytest

from driftpin.errors import DriftpinError
from driftpin.identity import Actor, ActorKind
from driftpin.store.values import Page
from seams.access_table import ROWS as ACCOUNTS_AND_CHATS
from seams.access_table_pins import ROWS as PINS
from seams.access_table_replicas import ROWS as REPLICAS
from seams.access_table_reviews import ROWS as REVIEWS
from seams.access_table_trust import ROWS as TRUST
from seams.access_table_turns import ROWS as TURNS
from seams.access_world import Caller, Row, World
from seams.doors import operations, store_methods
from seams.ledger import Note
from seams.sql_recorder import Statement

TABLES = (ACCOUNTS_AND_CHATS, PINS, TURNS, REPLICAS, TRUST, REVIEWS)
ROWS = tuple(row for table in TABLES for row in table)
NAMES = [row.name for row in ROWS]
# What a caller finds when it may not see the thing at all.
UNSEEN = frozenset({"not_found", "unauthenticated", "wrong_token_type"})
# Doors whose first look is not at anybody's things; each with its reason.
OPEN_FIRST_LOOKS = {
    "Store.resolve_token": "whoever holds the secret may ask whom it signs in",
    "Store.resolve_tokens": "whoever holds the secrets may ask the same of them",
    "Store.first_and_last_position": "two numbers, which leave the server only under a seal",
    "Store.list_events": "the same two numbers bound the reading of events",
    "sign_in": "whoever knows name and password is that user from then on",
    "use_login_link": "whoever holds the code is its user from then on",
    "refresh_agent_chats": "an agent without chats has looked at itself alone",
}


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
async def test_every_caller_finds_what_the_table_says(row: Row, world: World, note: Note) -> None:
    found = {}
    for caller in Caller:
        found[caller], _, statements = await _tried(row, world, caller)
        if row.name in OPEN_FIRST_LOOKS:
            continue
        if _is_blind(row, found[caller]):
            await _assert_nothing_was_brought(row, world, statements)
        elif found[caller] == "ok":
            _assert_the_first_look_says_who_asks(row, world.actor_of(caller), statements)
    note(row.name, *Caller)
    assert found == dict(row.outcomes)


@pytest.mark.parametrize(
    "rows", TABLES, ids=["accounts", "pins", "turns", "replicas", "trust", "reviews"]
)
async def test_what_a_caller_may_not_see_is_like_what_is_not_there(
    rows: tuple[Row, ...], world: World
) -> None:
    for row in rows:
        for caller, outcome in row.outcomes.items():
            if not _is_blind(row, outcome):
                continue
            there = await _tried(row, world, caller)
            world.is_nowhere = True
            nowhere = await _tried(row, world, caller)
            world.is_nowhere = False
            assert there[:2] == nowhere[:2], f"{caller} is told apart by {row.name}"
            assert [each.text for each in there[2]] == [each.text for each in nowhere[2]], caller


def test_every_door_has_exactly_one_row() -> None:
    assert sorted(NAMES) == sorted(store_methods() | operations())


def _is_blind(row: Row, outcome: str) -> bool:
    """Whether the outcome says that there is nothing to see; an empty list can be a sight too."""
    is_of_a_list = "not_found" not in row.outcomes.values()
    return outcome in UNSEEN or (outcome == "nothing" and is_of_a_list)


async def _assert_nothing_was_brought(row: Row, world: World, statements: list[Statement]) -> None:
    brought = [
        each.text for each in statements if each.is_read and await world.recorder.rows_of(each)
    ]
    assert brought == [], f"{row.name} looked before it checked"


def _assert_the_first_look_says_who_asks(
    row: Row, actor: Actor, statements: list[Statement]
) -> None:
    """Assert it for whoever may not see everything anyway."""
    if actor.is_administrator or actor.kind is ActorKind.WORKER:
        return
    first = next((each for each in statements if each.is_read), None)
    identities = {actor.user_id, actor.agent_id, actor.workspace_id} - {None}
    assert first is None or identities & set(first.values), f"{row.name}: {first}"


async def _tried(row: Row, world: World, caller: Caller) -> tuple[str, str, list[Statement]]:
    """Return what the caller finds, every word that it is told, and what was asked for it."""
    told = ""
    with world.recorder.on() as statements:
        try:
            answer = await row.attempt(world, world.actor_of(caller))
        except DriftpinError as refusal:
            told = f"{type(refusal).__name__} {refusal.message} {refusal.fields}"
            return refusal.code, told, list(statements)
    items = answer.items if isinstance(answer, Page) else answer
    return ("nothing" if items in (None, (), {}, []) else "ok"), told, list(statements)
