"""A workspace with a rule and a skill, pushed by its agent, and a worker with a chosen model."""

from collections.abc import AsyncIterator

import pytest

from driftpin import limits
from driftpin.operations.create_chat import create_chat
from driftpin.operations.say_hello import say_hello
from driftpin.runner.worker import TurnWorker
from driftpin.store.store import Store
from people import People
from runner.room import RULE, Commits, Models, Room, push
from stepping import SteppedClock


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
async def room(
    store: Store,
    people: People,
    clock: SteppedClock,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Room]:
    # A turn that nobody was woken for is never found.
    monkeypatch.setattr(limits, "TURN_POLL_S", 3_600.0)
    hello = await say_hello(
        store, people.agent, run_id="run", hostname="", os="", version="", roots={}
    )
    await push(store, people.agent, hello.incarnation, 1, RULE)
    chat = await create_chat(store, people.owner, people.workspace_id, model="tested")
    worker = TurnWorker(store, models, clock, name="worker-1")
    commits = Commits(workers=[worker])
    store.database.announce_commits_to(commits.announce, commits.announce_step)
    await worker.start()
    yield Room(
        store, people.owner, people.agent, chat.chat.id, models, worker, hello.incarnation, commits
    )
    await worker.stop()
