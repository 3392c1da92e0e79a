"""A chat's requests begin with the same bytes while its pin stands, from whichever replica."""

from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from driftpin.chat.prompt import render_prompt
from driftpin.chat.tools import canonical_tools
from driftpin.identity import WORKER, RandomIds
from driftpin.models.port import Finished, FinishReason, ModelEvent, ModelRequest, TextDelta
from driftpin.operations.refresh_context import refresh_context
from driftpin.runner.pins import PinReader
from driftpin.runner.worker import TurnWorker
from driftpin.store.database import Database
from driftpin.store.store import Store
from runner.room import Room
from stepping import SteppedClock

DAY_S = 86_400


class NotingModel:
    """Answers with a word and keeps what it was asked."""

    name = "noting"
    context_budget_tokens = 100_000

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []

    @property
    def prefixes(self) -> list[bytes]:
        return [
            canonical_tools(request.tools) + request.prompt.text.encode()
            for request in self.requests
        ]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        yield TextDelta("Yes.")
        yield Finished(FinishReason.STOP)

    async def close(self) -> None:
        return None


@pytest.fixture
async def replica(room: Room, database_url: str, clock: SteppedClock) -> AsyncIterator[TurnWorker]:
    """The worker of another server on the same database, which runs nothing yet."""
    database = Database(database_url, clock=clock, ids=RandomIds())
    database.announce_commits_to(room.commits.announce, room.commits.announce_step)
    yield TurnWorker(Store(database), room.models, clock, name="worker-2")
    await database.close()


async def test_pushes_days_and_replicas_leave_the_prefix_as_it_is(
    room: Room, replica: TurnWorker, clock: SteppedClock
) -> None:
    model = NotingModel()
    room.models.known["tested"] = model
    await room.send("One.")
    await room.finished(1)
    await room.push(b"Indent with tabs.\n")
    clock.step(DAY_S)
    await room.send("Two.")
    await room.finished(2)
    await room.worker.stop()
    await room.push(b"Indent with three spaces.\n")
    clock.step(DAY_S)
    await room.send("Three.")
    await replica.start()
    await room.finished(3)
    await replica.stop()

    assert len(model.prefixes) == 3
    assert len(set(model.prefixes)) == 1
    assert len({request.volatile for request in model.requests}) == 3
    receipts = await room.store.list_receipts(room.owner, room.chat_id, None)
    for name in ("prefix", "tools", "snapshot"):
        assert len({row.content[name] for row in receipts}) == 1, name


async def test_history_only_grows_behind_the_prefix_and_a_refresh_changes_it(room: Room) -> None:
    model = NotingModel()
    room.models.known["tested"] = model
    for turn, text in enumerate(("One.", "Two."), start=1):
        await room.send(text)
        await room.finished(turn)
    first, second = model.requests
    assert second.messages[: len(first.messages)] == first.messages
    await room.push(b"Indent with tabs.\n")
    await refresh_context(room.store, room.owner, room.chat_id, to=None)
    await room.send("Three.")
    await room.finished(3)
    assert model.prefixes[1] == model.prefixes[0] != model.prefixes[2]


async def test_a_prompt_is_made_once_for_a_pin_a_budget_and_a_role(room: Room) -> None:
    pins = PinReader(room.store, WORKER)
    pin, context = await pins.with_context(await room.store.read_pin(WORKER, room.chat_id))
    first = pins.render(pin, context, budget_tokens=1_000, role="")
    assert first == render_prompt(context, budget_tokens=1_000)
    assert pins.render(pin, context, budget_tokens=1_000, role="") is first
    assert pins.render(pin, context, budget_tokens=1_000, role="Judge.").digest != first.digest
    assert pins.render(pin, context, budget_tokens=1, role="").left_out != first.left_out
    assert pins.render(pin, None, budget_tokens=1_000, role="") == render_prompt(
        None, budget_tokens=1_000
    )
