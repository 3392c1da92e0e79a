"""One concurrent history: who is there, what each of them does, and what is left at the end."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from driftpin.client import Client
from driftpin.identity import WORKER
from driftpin.operations.check_store import check_store
from driftpin.operations.collect_garbage import collect_garbage
from driftpin.server.cursors import Cursors
from driftpin.store.store import Store
from driftpin.wire import api
from histories.auditor import SHORT, SWEEP, Auditor
from histories.clients import AgentRun, Clerk, Place, UserClient, agent_clients, user_clients
from histories.readers import EventReader
from histories.record import Call, FinalChat, HistoryMove, Record, Row

WAIT_S: Final = 60.0
OWNER_CALLS: Final = 45
FRIEND_CALLS: Final = 40
STRANGER_CALLS: Final = 12
AGENT_CALLS: Final = 45
CHATS_AT_FIRST: Final = 3
# What a program of a user does, in which share.
OWN_DEEDS: Final[Mapping[str, int]] = {
    "read": 8,
    "refresh": 10,
    "refresh_stale": 3,
    "roll_back": 3,
    "export": 3,
    "drift": 4,
    "history": 2,
    "list": 1,
    "head": 3,
    "create": 2,
    "fork": 1,
}
SHARING_DEEDS: Final[Mapping[str, int]] = {"archive": 1, "share": 3, "unshare": 3}


@dataclass(slots=True)
class Setting:
    """Where a history takes place: servers, their database, and an administrator's token."""

    place: Place
    token: str
    store: Store
    cursors: Cursors
    # Kills a server and starts it again; None where all of them live on.
    crash: Callable[[], Awaitable[None]] | None = None


@dataclass(slots=True)
class History:
    """Fresh people with a workspace, and everything they do."""

    setting: Setting
    draw: random.Random
    name: str
    record: Record = field(default_factory=Record)
    chats: list[str] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    programs: dict[str, tuple[Client, ...]] = field(default_factory=dict)
    runs: list[AgentRun] = field(default_factory=list)
    readers: list[EventReader] = field(default_factory=list)
    _titles: int = 0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def carry_out(self) -> Record:
        """Let everybody work at once, then let it come to rest, and look at what is left."""
        async with AsyncExitStack() as stack:
            await self._arrive(stack)
            auditor = Auditor(self._clerk("auditor"), self.setting.store, SHORT)
            await auditor.begin()
            await self._people_work(auditor)
            await self._come_to_rest(auditor)
        return self.record

    async def _arrive(self, stack: AsyncExitStack) -> None:
        administrator = await stack.enter_async_context(
            Client(self.setting.place.urls[0], self.setting.token)
        )
        for person in ("owner", "friend", "stranger"):
            user = await administrator.create_user(
                api.CreateUserRequest(name=f"{person} {self.name}")
            )
            token = await administrator.create_token(api.CreateTokenRequest(user_id=user.id))
            self.users[person], self.tokens[person] = user.id, token.token
            self.programs[person] = await stack.enter_async_context(
                user_clients(self.setting.place, token.token)
            )
        owner = self.programs["owner"][0]
        workspace = await owner.create_workspace(api.CreateWorkspaceRequest(name=self.name))
        self.record.workspace = workspace.id
        self.record.owner = self.users["owner"]
        self.record.strangers = frozenset({self.users["stranger"]})
        self.runs = [run for number in (1, 2) for run in await self._enrol(stack, owner, number)]

    async def _enrol(self, stack: AsyncExitStack, owner: Client, number: int) -> list[AgentRun]:
        """Return two runs of one agent; the first has not said hello when the second has."""
        enrolled = await owner.enrol_agent(self.record.workspace, api.CreateAgentRequest())
        clients = await stack.enter_async_context(agent_clients(self.setting.place, enrolled.token))
        return [
            AgentRun(
                self._clerk(f"agent {number} run {run}"),
                clients,
                self._draw(),
                enrolled.id,
                f"{self.name}-{number}-{run}",
            )
            for run in (1, 2)
        ]

    def _clerk(self, name: str, person: str = "") -> Clerk:
        return Clerk(name, self.users.get(person, name), self.record)

    def _draw(self) -> random.Random:
        return random.Random(self.draw.randrange(2**63))

    def _program(self, name: str, person: str) -> UserClient:
        return UserClient(
            self._clerk(name, person),
            self.programs[person],
            self._draw(),
            self.chats,
            self.setting.cursors.epoch,
        )

    async def _people_work(self, auditor: Auditor) -> None:
        first = self._program("owner's first", "owner")
        for _ in range(CHATS_AT_FIRST):
            await first.create(self.record.workspace, self._title())
        self.readers = [self._reader(person) for person in ("owner", "friend", "stranger")]
        async with asyncio.timeout(2 * WAIT_S), self._beside(auditor):
            for reader in self.readers:
                await reader.begun.wait()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._own(first, OWNER_CALLS, SHARING_DEEDS))
                second = self._program("owner's second", "owner")
                group.create_task(self._own(second, OWNER_CALLS, {}))
                group.create_task(self._visit(self._program("friend", "friend"), FRIEND_CALLS))
                stranger = self._program("stranger", "stranger")
                group.create_task(self._visit(stranger, STRANGER_CALLS))
                for runs in (self.runs[:2], self.runs[2:]):
                    group.create_task(self._push(runs))
                if self.setting.crash is not None:
                    group.create_task(self._crash(self.setting.crash))

    @asynccontextmanager
    async def _beside(self, auditor: Auditor) -> AsyncIterator[None]:
        """Have the readers and the collector work until this is left."""
        tasks = [asyncio.create_task(reader.run()) for reader in self.readers]
        collecting = asyncio.create_task(auditor.run())
        try:
            yield
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)
            await auditor.read()
            await self._let_readers_catch_up()
            await collect_garbage(self.setting.store, WORKER, SWEEP)
            await self._send_readers_back()
        finally:
            for task in (*tasks, collecting):
                task.cancel()
            ended = await asyncio.gather(*tasks, collecting, return_exceptions=True)
        for end in ended:
            if isinstance(end, Exception):
                raise end

    def _reader(self, person: str) -> EventReader:
        return EventReader(
            self._clerk(f"{person}'s page", person),
            self.setting.place,
            self.tokens[person],
            self.setting.cursors,
            self._draw(),
            moved=self._moved.set,
        )

    def _title(self) -> str:
        self._titles += 1
        return f"{self.name}-{self._titles}"

    async def _own(self, program: UserClient, calls: int, more: Mapping[str, int]) -> None:
        deeds = {**OWN_DEEDS, **more}
        names, shares = list(deeds), list(deeds.values())
        while program.clerk.done < calls:
            (deed,) = program.draw.choices(names, shares)
            await self._do(program, deed, program.draw.choice(self.chats))

    async def _visit(self, program: UserClient, calls: int) -> None:
        """Look at others' chats, and refresh what may be refreshed."""
        while program.clerk.done < calls:
            deed = program.draw.choice(("read", "read", "export", "drift", "refresh", "list"))
            await self._do(program, deed, program.draw.choice(self.chats))

    async def _do(self, program: UserClient, deed: str, chat: str) -> None:
        workspace, friend, draw = self.record.workspace, self.users["friend"], program.draw
        deeds: Mapping[str, Callable[[], Awaitable[Call]]] = {
            "read": lambda: program.read(chat),
            "refresh": lambda: program.refresh(chat),
            "refresh_stale": lambda: program.refresh(chat, is_stale=True),
            "roll_back": lambda: program.roll_back(chat),
            "export": lambda: program.export(chat),
            "drift": lambda: program.drift(chat),
            "history": lambda: program.history(chat),
            "list": program.list,
            "head": lambda: program.head(draw.choice(self.runs).agent),
            "create": lambda: program.create(workspace, self._title()),
            "fork": lambda: program.fork(chat, self._title()),
            "archive": lambda: program.archive(chat, archived=draw.random() < 0.4),
            "share": lambda: program.share(chat, friend),
            "unshare": lambda: program.unshare(chat, friend),
        }
        await deeds[deed]()

    async def _push(self, runs: Sequence[AgentRun]) -> None:
        """Two runs of one agent, one after the other; the older one does not know that it is."""
        older, newer = runs
        await older.hello()
        run = older
        while (done := older.clerk.done + newer.clerk.done) < AGENT_CALLS:
            if run is older and done > AGENT_CALLS // 3:
                run = newer
                await run.hello()
            lot = run.draw.random()
            if run is newer and lot < 0.1:
                await older.push()
            elif lot < 0.2:
                await run.push_again()
            elif lot < 0.3:
                await run.push_stale()
            else:
                await run.push(has_uploads=lot > 0.8)

    async def _crash(self, crash: Callable[[], Awaitable[None]]) -> None:
        """Kill a server once the others are well under way."""
        program = self._program("watcher", "owner")
        for _ in range(self.draw.randrange(5, 20)):
            await program.list()
        self.record.has_crashes = True
        await crash()

    async def _let_readers_catch_up(self) -> None:
        """Return when the owner has read everything that was stored."""
        stored = [e for e in self.record.stored if e.workspace == self.record.workspace]
        owner = self.readers[0]
        try:
            async with asyncio.timeout(WAIT_S):
                while not owner.begun.is_set() or owner.position < stored[-1].position:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError as late:
            missing = [event for event in stored if owner.position < event.position]
            raise AssertionError(f"{owner.position} is read, and not {missing}") from late
        self.record.rows[owner.clerk.user] = dict(owner.rows)

    async def _send_readers_back(self) -> None:
        """Have each reader come back with a cursor that is too old, and list again."""
        async with asyncio.timeout(WAIT_S):
            for reader in self.readers:
                reader.begun.clear()
                reader.come_back_late()
                await reader.begun.wait()

    async def _come_to_rest(self, auditor: Auditor) -> None:
        """Look at what is left, with nobody at work any more."""
        await auditor.read()
        owner = self.programs["owner"][0]
        page = await owner.list_chats(
            workspace_id=self.record.workspace, is_archived=None, limit=500
        )
        for chat in page.items:
            self.record.chats[chat.id] = await _final(owner, chat)
        for agent in {run.agent for run in self.runs}:
            head = (await owner.get_agent(agent)).head
            self.record.heads[agent] = None if head is None else head.digest
        for reader in self.readers[1:]:
            self.record.rows[reader.clerk.user] = reader.rows


async def _final(owner: Client, chat: api.ChatShape) -> FinalChat:
    context = chat.context
    moves = await owner.list_history(chat.id)
    shares = await owner.list_shares(chat.id)
    return FinalChat(
        title=chat.title,
        row=Row(context.revision, context.snapshot, context.head),
        archived=chat.archived,
        shares={share.user_id: share.access for share in shares},
        moves=tuple(
            HistoryMove(move.revision, move.verb, move.from_, move.to, move.actor) for move in moves
        ),
    )


async def unsound(store: Store) -> list[str]:
    """Return what a check of the store finds."""
    return [f"the store is unsound: {finding.id}" for finding in await check_store(store, WORKER)]


__all__ = ["History", "Setting", "unsound"]
