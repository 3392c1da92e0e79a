"""One simulated world: its people, agents and readers, what befalls them, and how it must end."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from driftpin.errors import DriftpinError, Unreachable
from driftpin.identity import WORKER, ChatId, Digest, agent_actor, user_actor
from driftpin.operations.check_store import check_store
from driftpin.operations.collect_garbage import DEFAULT_RETENTION, Retention, collect_garbage
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_user import create_user
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.operations.settle_pin import settle_pin
from driftpin.operations.share_chat import share_chat
from driftpin.operations.unshare_chat import unshare_chat
from driftpin.operations.update_chat import update_chat
from driftpin.store.store import Store
from driftpin.store.values import Access
from world.agents import DEBOUNCE_S, Image, Run, SimulatedAgent
from world.clocks import SkewedClock
from world.kernel import Kernel
from world.look import Observer
from world.readers import Reader
from world.rules import RULES, Change
from world.server import WorldServer

DEEDS: Final = 28
DEED_MEAN_S: Final = 3.0
CHATS_MAX: Final = 5
QUIET_S: Final = 150.0
LATE_S: Final = 3_700.0
SHORT: Final = Retention(
    grace=timedelta(seconds=20),
    heads=timedelta(seconds=40),
    history=timedelta(seconds=60),
    events=timedelta(seconds=15),
)


class World:
    """Made by a seed alone; `broken` of its kernel is empty if every promise was kept."""

    def __init__(self, seed: int, store: Store, clock: SkewedClock, kernel: Kernel) -> None:
        self.seed = seed
        self.kernel = kernel
        self.clock = clock
        self.store = store
        self.server = WorldServer(store, kernel, clock)
        self.seen = self.server.seen
        self.chats: list[ChatId] = []
        self.images: list[tuple[SimulatedAgent, Image]] = []
        self._done = "nothing"
        self._runs = 0
        self._stale: set[str] = set()

    async def live(self, path: Path) -> None:
        """Let everything happen, mend the network, and let everything come to rest."""
        self.observer = Observer(path)
        try:
            await self._begin()
            await self._let_things_happen()
            await self._come_to_rest()
            await self._check_rest()
        finally:
            await self._end()
            self.observer.close()

    async def _begin(self) -> None:
        await self.server.start()
        self.server.on_death = self._server_died
        owner = await create_user(self.store, WORKER, "owner", is_administrator=False)
        friend = await create_user(self.store, WORKER, "friend", is_administrator=False)
        self.owner, self.friend = user_actor(owner.id), user_actor(friend.id)
        workspace = await create_workspace(self.store, self.owner, "simulated")
        self.workspace_id = workspace.id
        self.agents = [await self._enrol(name) for name in ("first", "second")]
        await self._create_chat()
        self.observer.has_changed()
        self.observer.new_events()
        self._before = self.observer.look()
        self.readers = [self._reader("owner", sees_all=True)]
        if self.kernel.chance(0.4):
            self.readers.append(self._reader("friend", sees_all=False))
        for reader in self.readers:
            await reader.connect()
            await self.kernel.settle()
        self._start_run(self.agents[0])

    def _reader(self, name: str, *, sees_all: bool) -> Reader:
        actor = self.owner if sees_all else self.friend
        return Reader(name, actor, self.server, self.observer, self.seen, sees_all=sees_all)

    async def _enrol(self, name: str) -> SimulatedAgent:
        row, _ = await enrol_agent(self.store, self.owner, self.workspace_id, name)
        return SimulatedAgent(name, agent_actor(row.id, self.workspace_id))

    def _start_run(self, agent: SimulatedAgent, image: Image | None = None) -> Run:
        self._runs += 1
        run_id = f"{agent.name}-{self._runs}" if image is None else image.run_id
        run = Run(agent, self.server, self.seen, run_id)
        if image is not None:
            run.remember(image)
        run.start()
        return run

    def _server_died(self) -> None:
        for reader in self.readers:
            reader.disconnect()

    async def _let_things_happen(self) -> None:
        deeds = (
            [self._edit] * 12
            + [self._refresh] * 5
            + [self._collect] * 3
            + [self._save_image, self._restore, self._disconnect] * 3
            + [self._jump, self._crash, self._start_second] * 2
            + [self._share, self._unshare, self._archive, self._roll_back, self._rebind]
            + [self._create, self._settle, self._cut_links, self._ask]
        )
        for _ in range(DEEDS):
            until_s = self.kernel.now_s + self.kernel.random.expovariate(1 / DEED_MEAN_S)
            await self._run_until(until_s)
            deed = self.kernel.random.choice(deeds)
            self.kernel.note(deed.__name__)
            await deed()
            await self.kernel.settle()
            await self._check()

    async def _run_until(self, until_s: float) -> None:
        self._done = "push"
        while await self.kernel.step(until_s):
            await self._check()

    async def _check(self) -> None:
        done, self._done = self._done, "push"
        if self.observer.has_changed():
            events = self.observer.new_events()
            before, self._before = self._before, self.observer.look()
            change = Change(before, self._before, done, events)
            for rule in RULES:
                for what in rule(change, self.agents):
                    self.kernel.breaks(f"{rule.__name__}: {what}")
            self._stale = {reader.name for reader in self.readers}
        for reader in self.readers:
            if reader.is_caught_up and reader.name in self._stale:
                self._stale.discard(reader.name)
                reader.check_rows(self._before)

    # What befalls the world.

    async def _edit(self) -> None:
        agent = self.kernel.random.choice(self.agents[: 1 + self.kernel.chance(0.3)])
        agent.disk.edit(self.kernel)
        self._look_soon(agent)

    def _look_soon(self, agent: SimulatedAgent) -> None:
        async def look() -> None:
            for run in agent.living():
                run.look()

        self.kernel.after(DEBOUNCE_S, f"{agent.name} looks", look)

    async def _ask(self) -> None:
        for agent in self.agents:
            for run in agent.living():
                run.look(was_asked_for=True)

    async def _jump(self) -> None:
        self.seen["clocks set"] += 1
        clocks = [self.clock, *(run.clock for agent in self.agents for run in agent.living())]
        self.kernel.random.choice(clocks).jump()

    async def _crash(self) -> None:
        living = [run for agent in self.agents for run in agent.living()]
        if living:
            run = self.kernel.random.choice(living)
            run.kill()
            self.seen["agents killed"] += 1
            delay_s = self.kernel.random.uniform(0, 5)
            self.kernel.after(delay_s, "an agent starts again", lambda: self._again(run.agent))

    async def _again(self, agent: SimulatedAgent) -> None:
        self._start_run(agent)

    async def _start_second(self) -> None:
        """Start another run without an end to the one before: two daemons, one token."""
        agent = self.kernel.random.choice(self.agents)
        self.seen["runs started beside another"] += bool(agent.living())
        self._start_run(agent)

    async def _save_image(self) -> None:
        for agent in self.agents:
            self.images += [(agent, run.image()) for run in agent.living()[-1:]]

    async def _restore(self) -> None:
        if self.images:
            agent, image = self.kernel.random.choice(self.images)
            for run in agent.living():
                run.kill()
            agent.disk.go_back(image.texts)
            self._start_run(agent, image)
            self.seen["agents restored from an image"] += 1

    async def _cut_links(self) -> None:
        for agent in self.agents:
            for run in agent.living():
                run.cut_link()

    async def _disconnect(self) -> None:
        self.kernel.random.choice(self.readers).disconnect(longest_s=60.0)

    async def _collect(self) -> None:
        retention = SHORT if self.kernel.chance(0.7) else DEFAULT_RETENTION

        async def collect() -> None:
            report = await collect_garbage(self.store, WORKER, retention)
            self.seen["rows collected"] += report.snapshots + report.blobs + report.events

        await self._do("collect", collect)

    # What people do. They decide by what their page says, which may be old.

    async def _refresh(self) -> None:
        chat_id = self._chosen()
        row = self.readers[0].rows.get(chat_id)
        is_seen = row is not None and self.kernel.chance(0.8)
        to = Digest(row.head) if row and is_seen and row.head else None
        revision = row.revision if row and is_seen else None
        await self._do(
            "refresh",
            lambda: refresh_context(
                self.store, self.owner, chat_id, to=to, if_match_revision=revision
            ),
        )

    async def _roll_back(self) -> None:
        chat_id = self._chosen()
        targets = sorted({move.to_digest for move in self._before.moves.values() if move.to_digest})
        if targets:
            to = Digest(self.kernel.random.choice(targets))
            await self._do(
                "roll_back", lambda: roll_back_context(self.store, self.owner, chat_id, to)
            )

    async def _rebind(self) -> None:
        chat_id, agent = self._chosen(), self.kernel.random.choice(self.agents)
        await self._do(
            "rebind", lambda: rebind_chat(self.store, self.owner, chat_id, agent.actor.agent_id)
        )

    async def _settle(self) -> None:
        chat_id = self._chosen()
        await self._do("settle", lambda: settle_pin(self.store, WORKER, chat_id))

    async def _archive(self) -> None:
        chat_id, is_archived = self._chosen(), self.kernel.chance(0.3)
        await self._do(
            "archive",
            lambda: update_chat(self.store, self.owner, chat_id, is_archived=is_archived),
        )

    async def _share(self) -> None:
        chat_id, user_id = self._chosen(), self.friend.user_id
        assert user_id is not None
        await self._do(
            "share", lambda: share_chat(self.store, self.owner, chat_id, user_id, Access.READ)
        )

    async def _unshare(self) -> None:
        chat_id, user_id = self._chosen(), self.friend.user_id
        assert user_id is not None
        await self._do("unshare", lambda: unshare_chat(self.store, self.owner, chat_id, user_id))

    async def _create(self) -> None:
        if len(self.chats) < CHATS_MAX:
            await self._do("create", self._create_chat)

    async def _create_chat(self) -> None:
        view = await create_chat(self.store, self.owner, self.workspace_id)
        self.chats.append(view.chat.id)

    def _chosen(self) -> ChatId:
        return self.kernel.random.choice(self.chats)

    async def _do(self, what: str, work: Callable[[], Awaitable[Any]]) -> None:
        await self._check()
        self._done = what
        try:
            await self.server.serve(work)
        except Unreachable:
            self.kernel.note(what, "unknown")
        except DriftpinError as refusal:
            self.seen[f"{what} refused as {refusal.code}"] += 1
            self.kernel.note(what, refusal.code)
        else:
            self.kernel.note(what, "ok")

    # The end.

    async def _come_to_rest(self) -> None:
        """Mend everything; whoever runs goes on until there is nothing left to do."""
        self.server.may_die = False
        for agent in self.agents:
            for run in agent.runs:
                run.road.is_healed = True
        for reader in self.readers:
            reader.road.is_healed = True
        # What was sent an hour ago arrives at last, and changes nothing for good.
        for rest_s in (QUIET_S, LATE_S, QUIET_S):
            for agent in self.agents:
                if not agent.living():
                    self._start_run(agent).road.is_healed = True
            await self._cut_links()
            await self._run_until(self.kernel.now_s + rest_s)

    async def _check_rest(self) -> None:
        look = self.observer.look()
        for agent in self.agents:
            head = look.heads[str(agent.actor.agent_id)]
            if head.digest != agent.disk.snapshot()[0].digest:
                self.kernel.breaks(f"the head of {agent.name} is not what is on its disk")
            living = [run.run_id for run in agent.living()]
            if len(living) != 1:
                self.kernel.breaks(f"the runs {living} of {agent.name} all live on")
        for reader in self.readers:
            if not reader.is_caught_up:
                self.kernel.breaks(f"{reader.name} never caught up")
            reader.check_rows(look)
        for finding in await check_store(self.store, WORKER):
            self.kernel.breaks(f"the store is unsound: {finding.id}")
        self.kernel.note(look)

    async def _end(self) -> None:
        for agent in self.agents:
            for run in agent.runs:
                run.kill()
        self.server.services.tailer.close("the world ends")
        await self.kernel.settle()


__all__ = ["World"]
