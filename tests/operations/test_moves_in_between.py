"""A verb compares the pin with what it saw: one that others move in between is looked at again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pytest

from driftpin.context.holds import Selection
from driftpin.errors import Unavailable
from driftpin.failpoints import Failpoint
from driftpin.identity import ChatId, Digest
from driftpin.operations.refresh_context import LOOKS_MAX, refresh_context
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.store.database import Database, EngineKind
from driftpin.store.store import Store
from driftpin.store.values import PinMove
from stepping import CountingIds, SteppedClock

# SQLite's writers queue, so nobody can come between a look and its move there.
pytestmark = pytest.mark.parametrize("engine_kind", [EngineKind.POSTGRESQL], indirect=True, ids=str)


@dataclass(slots=True)
class Race:
    """A chat that ran on three snapshots, the last of which is the head."""

    stage: Any
    database_url: str
    chat_id: ChatId
    ran_on: list[Digest]

    async def put(self, snapshot: Digest) -> None:
        """Move the pin there, as somebody else."""
        await roll_back_context(self.stage.store, self.stage.owner, self.chat_id, snapshot)

    async def refresh(self, store: Store) -> PinMove:
        """Move the pin to the last of the three."""
        return await refresh_context(store, self.stage.owner, self.chat_id)

    async def roll_back(self, store: Store) -> PinMove:
        """Move the pin to the first of the three."""
        return await roll_back_context(store, self.stage.owner, self.chat_id, self.ran_on[0])

    @asynccontextmanager
    async def disturbed(self, disturb: Callable[[], Awaitable[None]]) -> AsyncIterator[Store]:
        """Give another server's store; `disturb` runs after every look at the pin."""

        async def reach(failpoint: Failpoint) -> None:
            if failpoint is Failpoint.MOVE_READ_HEAD:
                await disturb()

        database = Database(self.database_url, clock=SteppedClock(), ids=CountingIds(), reach=reach)
        yield Store(database)
        await database.close()


@pytest.fixture
async def race(stage: Any, database_url: str) -> Race:
    pushed = [await stage.agent.push({"AGENTS.md": "0"})]
    chat_id = await stage.chat()
    for text in ("1", "2"):
        pushed.append(await stage.agent.push({"AGENTS.md": text}))
        await refresh_context(stage.store, stage.owner, chat_id)
    race = Race(stage, database_url, chat_id, [each.head.digest for each in pushed])
    await race.put(race.ran_on[1])
    return race


async def test_a_part_is_chosen_anew_when_something_was_held_after_the_look(race: Race) -> None:
    held = [Selection(frozenset(), frozenset({"workspace:AGENTS.md"}))]
    wishes: dict[str, Any] = {"selection": Selection(None, frozenset())}

    async def disturb() -> None:
        if held:
            await refresh_context(
                race.stage.store, race.stage.owner, race.chat_id, selection=held.pop()
            )

    seen = len(await race.stage.history(race.chat_id))
    async with race.disturbed(disturb) as store:
        move = await refresh_context(store, race.stage.owner, race.chat_id, **wishes)
    assert not move.moved
    assert len(await race.stage.history(race.chat_id)) == seen
    context = await race.stage.context(race.chat_id)
    assert (context.dirty, context.held) == (False, 1)


VERBS = [pytest.param(Race.refresh, 2, id="refresh"), pytest.param(Race.roll_back, 0, id="back")]


@pytest.mark.parametrize(("verb", "target"), VERBS)
async def test_a_pin_that_moves_after_every_look_is_left_to_those_who_move_it(
    race: Race, verb: Callable[[Race, Store], Awaitable[PinMove]], target: int
) -> None:
    places = cycle([race.ran_on[2 - target], race.ran_on[1]])
    seen = len(await race.stage.history(race.chat_id))

    async def disturb() -> None:
        await race.put(next(places))

    async with race.disturbed(disturb) as store:
        with pytest.raises(Unavailable) as caught:
            await verb(race, store)
    assert caught.value.code == "storage_busy"
    moved = (await race.stage.history(race.chat_id))[seen:]
    assert [row.to_digest for row in moved].count(race.ran_on[target]) == 0
    assert len(moved) == LOOKS_MAX


@pytest.mark.parametrize(("verb", "target"), VERBS)
async def test_a_pin_that_moved_once_is_looked_at_again_and_moved_from_there(
    race: Race, verb: Callable[[Race, Store], Awaitable[PinMove]], target: int
) -> None:
    places = [race.ran_on[2 - target]]

    async def disturb() -> None:
        if places:
            await race.put(places.pop())

    async with race.disturbed(disturb) as store:
        move = await verb(race, store)
    last_but_one, last = (await race.stage.history(race.chat_id))[-2:]
    assert (move.moved, move.revision) == (True, last.revision)
    assert last.from_digest == last_but_one.to_digest == race.ran_on[2 - target]
    assert await race.stage.digest(race.chat_id) == race.ran_on[target]
