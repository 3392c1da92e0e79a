"""What serves pins to programs that speak MCP, loaded when the first of them calls.

The protocol's library costs a server half a second and tens of megabytes, and most servers never
serve a pin that way.
"""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from driftpin.errors import NotFound
from driftpin.identity import WORKER, Actor, ChatId, RandomIds
from driftpin.runner.agent_tools import AgentCaller, AgentTools, ToolRules
from driftpin.runner.pins import PinReader
from driftpin.server.context_verbs import PinVerbs
from driftpin.server.cursors import BadSeal, Cursors
from driftpin.store.store import Store

if TYPE_CHECKING:
    from driftpin.gateway.server import Gateway


class McpDoor:
    """The gateway of one process, and the names of sessions.

    A session is nothing but a sealed name that every replica can read: it holds no state, so it
    needs no end, and it lets a client's word about one of its calls find that call.
    """

    def __init__(
        self, store: Store, calls: AgentCaller, cursors: Cursors, rules: ToolRules
    ) -> None:
        """Read pins from `store`, and have tools called through `calls` by these rules."""
        self._store = store
        self._tools = AgentTools(store, calls, rules)
        self._pins = PinReader(store, WORKER)
        self._cursors = cursors
        self._gateway: Gateway | None = None

    async def gateway(self) -> "Gateway":
        """Return the gateway, without holding other requests up while it is loaded."""
        if self._gateway is None:
            module = await asyncio.to_thread(import_module, "driftpin.gateway.server")
            self._gateway = module.Gateway(
                self._store, self._pins, self._tools, PinVerbs(self._store), self._cursors
            )
        return self._gateway

    def name_session(self, actor: Actor, chat_id: ChatId) -> str:
        """Return a fresh name of a session of this caller with this chat."""
        name = RandomIds().fresh(self._cursors.clock.now())
        return self._cursors.sealer.seal(_purpose(actor, chat_id), name.encode("ascii"))

    def check_session(self, actor: Actor, chat_id: ChatId, session: str) -> None:
        """Raise NotFound (`no_session`) for a name that was not given to this caller and chat."""
        try:
            self._cursors.sealer.unseal(_purpose(actor, chat_id), session)
        except BadSeal:
            raise NotFound("There is no such session.", code="no_session") from None


def _purpose(actor: Actor, chat_id: ChatId) -> str:
    return f"mcp session {actor.name} {chat_id}"


__all__ = ["McpDoor"]
