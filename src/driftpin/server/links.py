"""The links of this process's agents, and calls over them.

JSON-RPC 2.0 in msgpack. An agent has one link: a newer one closes the one before it. Which replica
holds an agent's link stands in the database (`server.link_keeper`).
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket

from driftpin import limits
from driftpin.errors import DriftpinError, Rejected, TooLarge, Unavailable
from driftpin.identity import AgentId, Digest, LinkId
from driftpin.operations.ask_agent import agent_offline
from driftpin.wire.link import (
    CLOSE_FENCED,
    CLOSE_GONE,
    CLOSE_RESTART,
    CLOSE_REVOKED,
    LinkCall,
    LinkNote,
    LinkReply,
    call_timeout_s,
)

CLOSE_CODES: Final[Mapping[str, int]] = {
    "agent_gone": CLOSE_GONE,
    "fenced": CLOSE_FENCED,
    "unauthenticated": CLOSE_REVOKED,
}


class AgentRefused(Unavailable):
    """The agent refused the call."""


class CallLost(Unavailable):
    """The call was sent, and whether the agent carried it out is not known."""

    default_code = "call_unknown"


class AgentLink:
    """One connected agent; `incarnation` is None when it did not say which run it is.

    `link_id` names the link to other replicas once they have been told.
    """

    def __init__(
        self,
        socket: WebSocket,
        agent_id: AgentId,
        incarnation: int | None,
        secret_digest: Digest,
    ) -> None:
        """Send through `socket` once it is open; the token of this digest is to be good."""
        self.agent_id = agent_id
        self.incarnation = incarnation
        self.secret_digest = secret_digest
        self.link_id: LinkId | None = None
        self._socket = socket
        self._sending = asyncio.Lock()
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._last_call = 0
        self._is_over = False
        self._is_open = asyncio.Event()

    def open(self) -> None:
        """The socket was accepted: send what waits."""
        self._is_open.set()

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """Return what the agent answers.

        Raises what the agent refused with, Unavailable (`agent_offline`, `agent_busy`) for a call
        that was not sent, and CallLost (`call_unknown`, `agent_timeout`) for one that was.
        """
        if len(self._calls) >= limits.LINK_CALLS_IN_FLIGHT_MAX:
            raise Unavailable("Too many calls to this agent are under way.", code="agent_busy")
        self._last_call += 1
        number = self._last_call
        message = msgspec.msgpack.encode(LinkCall(id=number, method=method, params=dict(params)))
        if len(message) > limits.LINK_MESSAGE_BYTES_MAX:
            raise TooLarge(limit="link_message_bytes", maximum=limits.LINK_MESSAGE_BYTES_MAX)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(call_timeout_s(method)):
                await self._send(message)
                return await answer
        except TimeoutError:
            raise CallLost("The agent did not answer in time.", code="agent_timeout") from None
        finally:
            del self._calls[number]

    async def _send(self, message: bytes) -> None:
        await self._is_open.wait()
        async with self._sending:
            if self._is_over:
                raise agent_offline()
            await self._socket.send_bytes(message)

    def settle(self, message: bytes) -> LinkNote | None:
        """Give an answer to the call that waits for it; return what is told without being asked.

        Raises Rejected for anything else.
        """
        reply = _read(message)
        if isinstance(reply, LinkNote):
            return reply
        answer = self._calls.get(reply.id) if reply.id is not None else None
        if answer is None or answer.done():
            return None
        if reply.error is None:
            answer.set_result(reply.result)
        else:
            code = str((reply.error.data or {}).get("code", "agent_error"))
            answer.set_exception(AgentRefused(reply.error.message, code=code))
        return None

    async def close(self, reason: str) -> None:
        """Close the socket, telling why; every call under way is lost."""
        if self._is_over:
            return
        self.give_up()
        async with self._sending:
            code = CLOSE_CODES.get(reason, CLOSE_RESTART)
            try:
                await self._socket.close(code, reason)
            except (RuntimeError, OSError):
                # It was closed from the other side in the meantime.
                return

    def give_up(self) -> None:
        """Fail whatever waits: the agent is not there any more."""
        self._is_over = True
        self._is_open.set()
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(CallLost())


class Links:
    """Which agents are connected to this process."""

    def __init__(self) -> None:
        """Start with nobody connected."""
        self._links: dict[AgentId, AgentLink] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many agents are connected."""
        return len(self._links)

    def all(self) -> tuple[AgentLink, ...]:
        """Return every link."""
        return tuple(self._links.values())

    def find(self, agent_id: AgentId) -> AgentLink | None:
        """Return the agent's link, if it is here."""
        return self._links.get(agent_id)

    async def adopt(self, link: AgentLink) -> None:
        """Make this the agent's link; an earlier one is closed."""
        earlier = self._links.get(link.agent_id)
        self._links[link.agent_id] = link
        if earlier is not None:
            await earlier.close("fenced")

    def discard(self, link: AgentLink) -> None:
        """Forget a link that ended."""
        link.give_up()
        if self._links.get(link.agent_id) is link:
            del self._links[link.agent_id]

    async def call(self, agent_id: AgentId, method: str, params: Mapping[str, Any]) -> Any:
        """Return what the agent answers; raises Unavailable (`agent_offline`) without a link."""
        link = self._links.get(agent_id)
        if link is None:
            raise agent_offline()
        return await link.call(method, params)

    def tell_all(self, method: str) -> None:
        """Send every agent a hint, of which nothing depends on its arrival, and wait for none."""
        for link in self.all():
            task = asyncio.create_task(_tell(link, method))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def fence(self, agent_id: AgentId, incarnation: int) -> None:
        """Close the agent's link if it belongs to an earlier run."""
        link = self._links.get(agent_id)
        if link is not None and link.incarnation is not None and link.incarnation < incarnation:
            await link.close("fenced")

    async def close(self, agent_id: AgentId, reason: str) -> None:
        """Close the agent's link, if it has one."""
        link = self._links.get(agent_id)
        if link is not None:
            await link.close(reason)

    async def close_all(self) -> None:
        """Close every link, because the server stops."""
        for link in self.all():
            await link.close("restart")


def _read(message: bytes) -> LinkReply | LinkNote:
    unreadable = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    with suppress(*unreadable):
        return msgspec.msgpack.decode(message, type=LinkReply)
    with suppress(*unreadable):
        return msgspec.msgpack.decode(message, type=LinkNote)
    raise Rejected("This is not an answer.", code="bad_message")


async def _tell(link: AgentLink, method: str) -> None:
    # An agent of an earlier release knows no such hint, and finds out by itself.
    with suppress(DriftpinError, RuntimeError, OSError):
        await link.call(method, {})


__all__ = ["AgentLink", "AgentRefused", "CallLost", "Links"]
