"""Prepares deeds from what is there, and has them done one after another, telling of each."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from driftpin.identity import WORKER, Actor, AgentId, ChatId, user_actor
from driftpin.store.store import Store
from faults.deeds import MOVES, Deed, Done, Hands, Verb
from faults.looks import take_census

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class World:
    """One user's workspace with two agents that both have pushed, and a chat."""

    owner_id: str
    workspace_id: str
    agent_ids: tuple[str, str]
    chat_id: str

    @property
    def owner(self) -> Actor:
        return user_actor(self.owner_id, is_administrator=True)  # type: ignore[arg-type] # an id


@dataclass(slots=True)
class Driver:
    """Does deeds; `tell` hears of each, with a census, before it begins, and of its answer."""

    store: Store
    hands: Hands
    world: World
    random: random.Random
    tell: Tell
    made: int = field(default=0)

    async def do(self, verb: Verb) -> Done:
        """Prepare one deed and do it."""
        return await self._do(await self._prepare(verb))

    async def _do(self, deed: Deed) -> Done:
        before = await take_census(self.store)
        self.tell({"doing": deed.written(), "before": list(before)})
        done = await self.hands.perform(deed)
        self.tell({"done": done.written()})
        return done

    async def _prepare(self, verb: Verb) -> Deed:  # noqa: PLR0911 one for each verb
        world = self.world
        match verb:
            case Verb.PUSH:
                return await self._push(self.random.choice(world.agent_ids))
            case Verb.FIRST_PUSH:
                workspace_id, agent_id = await self.hands.found()
                return Deed(verb, workspace_id, agent_id, seq=1, text=self._fresh())
            case Verb.CREATE:
                return Deed(verb, world.workspace_id, key=self._fresh())
            case Verb.SAY:
                return Deed(verb, chat_id=world.chat_id, text=self._fresh(), key=self._fresh())
            case Verb.KEEP_DRIFT:
                await self._do(await self._push(await self._bound_agent()))
                return Deed(verb, agent_id=await self._bound_agent())
            case Verb.COLLECT:
                for _ in range(2):
                    await self.do(Verb.PUSH)
                return Deed(verb)
            case Verb.LISTEN:
                done = await self.do(Verb.PUSH)
                return Deed(verb, to=done.digest or "")
            case _:
                return await self._move(verb)

    async def _move(self, verb: Verb) -> Deed:
        chat_id, bound = self.world.chat_id, await self._bound_agent()
        if verb is Verb.REFRESH:
            await self._do(await self._push(bound))
            return Deed(verb, chat_id=chat_id)
        if verb is Verb.REBIND:
            other = next(agent_id for agent_id in self.world.agent_ids if agent_id != bound)
            return Deed(verb, chat_id=chat_id, agent_id=other)
        assert verb in MOVES
        history = await self.store.list_history(WORKER, ChatId(chat_id), None, 500)
        pinned = history.items[0].to_digest
        earlier = sorted({it.to_digest for it in history.items if it.to_digest} - {pinned})
        if not earlier:
            return await self._move(Verb.REFRESH)
        return Deed(verb, chat_id=chat_id, to=self.random.choice(earlier))

    async def _push(self, agent_id: str) -> Deed:
        agent = await self.store.get_agent(WORKER, AgentId(agent_id))
        workspace_id = self.world.workspace_id
        return Deed(Verb.PUSH, workspace_id, agent_id, seq=agent.head_seq + 1, text=self._fresh())

    async def _bound_agent(self) -> str:
        view = await self.store.get_chat(WORKER, ChatId(self.world.chat_id))
        assert view.context.agent_id is not None
        return view.context.agent_id

    def _fresh(self) -> str:
        return f"{self.random.getrandbits(64):016x}"


__all__ = ["Driver", "Tell", "World"]
