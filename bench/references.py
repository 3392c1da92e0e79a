"""The side of the load benchmark that pins by reference: driftpin itself."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from bench.mix import CHATS_PER_AGENT, RESOURCES
from bench.world import Contents
from driftpin.identity import (
    WORKER,
    Actor,
    AgentId,
    ChatId,
    Digest,
    WorkspaceId,
    agent_actor,
    user_actor,
)
from driftpin.operations.accept_snapshot import accept_snapshot
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_user import create_user
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from driftpin.store.store import Store


class References:
    """driftpin itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owners: dict[int, Actor] = {}
        self._workspaces: dict[int, WorkspaceId] = {}
        self._agents: dict[int, Actor] = {}
        self._seqs: Counter[int] = Counter()
        self._sent: defaultdict[int, set[Digest]] = defaultdict(set)
        self._chats: defaultdict[int, list[ChatId]] = defaultdict(list)

    async def build(self, base: Contents, agents: Sequence[int]) -> None:
        for number in sorted({agent // 2 for agent in agents}):
            user = await create_user(self._store, WORKER, f"user {number}")
            owner = user_actor(user.id)
            workspace = await create_workspace(self._store, owner, "load")
            self._owners[number] = owner
            self._workspaces[number] = workspace.id
            for agent in (2 * number, 2 * number + 1):
                row, _ = await enrol_agent(self._store, owner, workspace.id, "load")
                self._agents[agent] = agent_actor(row.id, workspace.id)
                await say_hello(
                    self._store,
                    self._agents[agent],
                    run_id="load",
                    hostname="",
                    os="",
                    version="",
                    roots={},
                )
                await self.push(agent, base)
                for _ in range(CHATS_PER_AGENT):
                    await self.create(agent)

    async def push(self, agent: int, pushed: Contents) -> None:
        self._seqs[agent] += 1
        new = {name: body for name, body in pushed.bodies.items() if name not in self._sent[agent]}
        if len(new) > 1:
            await store_blobs(self._store, self._agents[agent], list(new.items()))
        await accept_snapshot(
            self._store,
            self._agents[agent],
            incarnation=1,
            seq=self._seqs[agent],
            snapshot=pushed.snapshot,
            observations={},
            blobs=new.items(),
        )
        self._sent[agent].update(new)

    async def create(self, agent: int) -> None:
        workspace = agent // 2
        view = await create_chat(self._store, self._owners[workspace], self._workspaces[workspace])
        self._chats[workspace].append(view.chat.id)

    async def refresh(self, agent: int, place: int) -> None:
        await refresh_context(
            self._store, self._owners[agent // 2], self._chat(agent, place), to=None
        )

    async def rebind(self, agent: int, place: int) -> None:
        agent_id: AgentId | None = self._agents[agent].agent_id
        await rebind_chat(self._store, self._owners[agent // 2], self._chat(agent, place), agent_id)

    async def read(self, agent: int, place: int) -> None:
        entries = await self._store.list_pinned_entries(
            self._owners[agent // 2], self._chat(agent, place)
        )
        assert len(entries.entries) == RESOURCES

    def _chat(self, agent: int, place: int) -> ChatId:
        found = self._chats[agent // 2]
        return found[place % len(found)]
