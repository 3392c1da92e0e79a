"""What serves pins to programs that speak MCP, loaded when the first of them calls.

The protocol's library costs a server half a second and tens of megabytes, and most servers never
serve a pin that way.
"""

import asyncio
import hashlib
import json
import secrets
from importlib import import_module
from typing import TYPE_CHECKING, Final

import structlog

from driftpin.context.tool_check import MCP_CANCEL
from driftpin.errors import DriftpinError, NotFound
from driftpin.identity import WORKER, Actor, AgentId, ChatId, RandomIds
from driftpin.runner.agent_tools import AgentCaller, AgentTools, ToolRules, name_of_call
from driftpin.runner.pins import PinReader
from driftpin.server.context_verbs import PinVerbs
from driftpin.server.cursors import BadSeal, Cursors
from driftpin.store.store import Store

if TYPE_CHECKING:
    from driftpin.gateway.server import Gateway


CALL_NAME_BYTES: Final = 32

log = structlog.get_logger(__name__)


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
        self._calls = calls
        self._taking_back: set[asyncio.Task[None]] = set()
        self._gateway: Gateway | None = None

    def take_back(self, agent_id: AgentId | None, chat_id: ChatId, call_id: str) -> None:
        """Have the agent end a call that its asker does not want any more; nobody waits for it."""
        if agent_id is None:
            return
        task = asyncio.create_task(self._take_back(agent_id, chat_id, call_id))
        self._taking_back.add(task)
        task.add_done_callback(self._taking_back.discard)

    async def _take_back(self, agent_id: AgentId, chat_id: ChatId, call_id: str) -> None:
        params = {"call": name_of_call(chat_id, call_id)}
        try:
            await self._calls.call(
                WORKER, agent_id, MCP_CANCEL, params, about={"chat": chat_id, "tool": MCP_CANCEL}
            )
        except DriftpinError as refusal:
            log.info("call_not_taken_back", code=refusal.code)

    async def gateway(self) -> "Gateway":
        """Return the gateway, without holding other requests up while it is loaded."""
        if self._gateway is None:
            module = await asyncio.to_thread(import_module, "driftpin.gateway.server")
            self._gateway = module.Gateway(
                self._store,
                self._pins,
                self._tools,
                PinVerbs(self._store),
                self._cursors,
                self.take_back,
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


def name_asked_call(session: str | None, request_id: object) -> str:
    """Return the name of a call that a client asked for: in a session always the same one.

    So a client's later word about its request finds the call, on whichever replica it arrives.
    """
    if session is None:
        return secrets.token_hex(CALL_NAME_BYTES)
    written = f"{session}\0{json.dumps(request_id)}"
    return hashlib.sha256(written.encode()).hexdigest()


def _purpose(actor: Actor, chat_id: ChatId) -> str:
    return f"mcp session {actor.name} {chat_id}"


__all__ = ["McpDoor", "name_asked_call"]
