"""One cycle: real operations until the power goes, then whether all that was told is there."""

import random
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from driftpin.errors import DriftpinError, Unavailable
from driftpin.identity import WORKER, ChatId, Digest
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.check_store import check_store
from driftpin.operations.create_chat import create_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.say_hello import say_hello
from driftpin.store.database import Database
from driftpin.store.store import Store
from powercut.disk import Disk
from powercut.driver import connector
from pushing import snapshot_with
from seams.model_places import SqlitePlaces
from seams.pin_world import Inhabitants
from stepping import CountingIds, SteppedClock

OPERATIONS_MAX = 60
# Few pages make checkpoints frequent, so that cuts fall into them too.
PAGES_PER_CHECKPOINT = (5, 30, 1000)


@dataclass(slots=True)
class Acknowledged:
    """What callers were told was done."""

    pushes: list[tuple[int, Digest]] = field(default_factory=list)
    chats: list[ChatId] = field(default_factory=list)
    pins: dict[ChatId, tuple[int, Digest]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many acknowledgements there were."""
        return len(self.pushes) + len(self.chats)


@dataclass(slots=True)
class Work:
    """Operations of one owner and one agent, chosen by chance, with their acknowledgements."""

    store: Store
    there: Inhabitants
    source: random.Random
    acknowledged: Acknowledged = field(default_factory=Acknowledged)
    seq: int = 0
    incarnation: int = 0

    async def until_the_cut(self) -> bool:
        """Work until something fails; return whether it did."""
        try:
            await self.begin()
            for _ in range(OPERATIONS_MAX):
                await self.do_something()
        except Unavailable:
            return True
        return False

    async def begin(self) -> None:
        """Let the agent say hello."""
        hello = await say_hello(
            self.store,
            self.there.agents[0],
            run_id="run",
            hostname="",
            os="",
            version="",
            roots={},
        )
        self.incarnation = hello.incarnation

    async def do_something(self) -> None:
        """Push, create, refresh or roll back, and remember what was acknowledged."""
        match self.source.choice(("push", "push", "create", "refresh", "roll_back")):
            case "push":
                await self.push()
            case "create":
                view = await create_chat(
                    self.store, self.there.actors["owner"], self.there.workspace_id
                )
                self.acknowledged.chats.append(view.chat.id)
            case verb if self.acknowledged.chats and self.acknowledged.pushes:
                await self.move(self.source.choice(self.acknowledged.chats), verb)
            case _:
                pass

    async def push(self) -> None:
        """Push new texts, some of them several pages long."""
        self.seq += 1
        text = f"{self.seq} " + "x" * self.source.choice((10, 3_000, 40_000))
        snapshot, blobs = snapshot_with(AGENTS=text)
        outcome = await accept_snapshot(
            self.store,
            self.there.agents[0],
            incarnation=self.incarnation,
            seq=self.seq,
            snapshot=snapshot,
            observations={},
            blobs=blobs.items(),
        )
        self.acknowledged.pushes.append((self.seq, outcome.head.digest))

    async def move(self, chat_id: ChatId, verb: str) -> None:
        """Move a pin; a refusal of the domain acknowledges nothing."""
        owner = self.there.actors["owner"]
        try:
            if verb == "refresh":
                move = await refresh_context(self.store, owner, chat_id)
            else:
                to = self.source.choice(self.acknowledged.pushes)[1]
                move = await roll_back_context(self.store, owner, chat_id, to)
        except Unavailable:
            raise
        except DriftpinError:
            return
        if move.snapshot is not None:
            self.acknowledged.pins[chat_id] = (move.revision, move.snapshot.digest)


@dataclass(frozen=True, slots=True)
class Cycle:
    """What a cycle came to: `lost` says what was acknowledged and is not there."""

    acknowledged: int
    was_cut: bool
    lost: tuple[str, ...]
    findings: tuple[str, ...]


async def cut_once(places: SqlitePlaces, seed: int, *, synchronous: str = "FULL") -> Cycle:
    """Work on a disk that loses power somewhere, open what is left, and look."""
    source = random.Random(seed)
    with tempfile.TemporaryDirectory(dir=places.directory) as name:
        before, after = Path(name) / "before", Path(name) / "after"
        before.mkdir()
        after.mkdir()
        (before / "driftpin.db").write_bytes(places.template.read_bytes())
        disk = Disk(f"disk-{seed}", cut_at=source.randint(4, 1_000))
        connect = connector(
            disk,
            synchronous=synchronous,
            pages_per_checkpoint=source.choice(PAGES_PER_CHECKPOINT),
        )
        database = Database(
            f"sqlite:///{before / 'driftpin.db'}",
            clock=SteppedClock(),
            ids=CountingIds(),
            connect=connect,
        )
        work = Work(Store(database), places.inhabitants, source)
        was_cut = await work.until_the_cut()
        disk.leave(after, source)
        disk.let_go()
        await database.close()
        lost, findings = await look(f"sqlite:///{after / 'driftpin.db'}", work)
        return Cycle(work.acknowledged.count, was_cut, lost, findings)


async def look(url: str, work: Work) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Open a database with the ordinary driver; return what is lost, and what a check finds."""
    database = Database(url, clock=SteppedClock(), ids=CountingIds())
    try:
        store = Store(database)
        lost = [line async for line in _lost(store, work)]
        findings = [finding.id for finding in await check_store(store, WORKER)]
    except Exception as failure:  # noqa: BLE001 a file that was not synced may be anything
        lost, findings = [f"it cannot be read: {failure!r}"], []
    finally:
        await database.close()
    return tuple(lost), tuple(findings)


async def _lost(store: Store, work: Work) -> AsyncIterator[str]:
    agent_id = work.there.agents[0].agent_id
    assert agent_id is not None
    agent = await store.get_agent(WORKER, agent_id)
    if work.acknowledged.pushes and agent.head_seq < work.acknowledged.pushes[-1][0]:
        yield f"push {work.acknowledged.pushes[-1][0]}, the head is {agent.head_seq}"
    page = await store.list_chats(WORKER, limit=100)
    seen = {view.chat.id: view.context for view in page.items}
    for chat_id in work.acknowledged.chats:
        if chat_id not in seen:
            yield f"chat {chat_id}"
    for chat_id, (revision, _) in work.acknowledged.pins.items():
        if chat_id in seen and seen[chat_id].revision < revision:
            yield f"revision {revision} of {chat_id}"


__all__ = ["Acknowledged", "Cycle", "Work", "cut_once", "look"]
