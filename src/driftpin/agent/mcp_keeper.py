"""The life of one approved MCP server: started, listed, watched, asked, and started again.

A failure never ends the keeper: it tries again after growing, jittered waits. What the server last
offered stays known, so that a crash or a restart changes no digest; `status` is where it shows.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from driftpin import limits
from driftpin.agent.mcp_configs import FoundServer
from driftpin.agent.mcp_redaction import Redactor
from driftpin.agent.mcp_session import (
    OnProgress,
    ServerFailure,
    Session,
    Surroundings,
    Target,
    open_session,
)
from driftpin.agent.waiting import Backoff, Waiter, wait_on_clock
from driftpin.clock import Clock
from driftpin.context.launch import UndefinedVariable
from driftpin.context.tool_catalogue import ReadCatalogue
from driftpin.errors import Unavailable
from driftpin.identity import Digest

CONFIG_ERROR: Final = "config_error"
Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


class ServerState(StrEnum):
    """How a listed server stands; an observation, never part of a digest."""

    UNAPPROVED = "unapproved"
    CONNECTING = "connecting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """A state with its reason, and a text for people without secrets."""

    state: ServerState
    reason: str = ""
    detail: str = ""


class ServerKeeper:
    """Keeps one server running for as long as `run` does.

    `status` says how it stands and `catalogue` what it offered last in this run of the agent;
    `on_change` is called whenever either is another.
    """

    def __init__(
        self,
        found: FoundServer,
        surroundings: Surroundings,
        *,
        allows_private: bool,
        starting: asyncio.Semaphore,
        on_change: Callable[[], None],
        clock: Clock,
        waiter: Waiter = wait_on_clock,
    ) -> None:
        """Keep the server of an approved launch; `starting` bounds how many start at once."""
        self._found = found
        self._surroundings = surroundings
        self._allows_private = allows_private
        self._starting = starting
        self._on_change = on_change
        self._clock = clock
        self._waiter = waiter
        self._backoff = Backoff(
            first_ms=int(limits.MCP_RETRY_FIRST_S * 1000),
            longest_ms=int(limits.MCP_RETRY_LONGEST_S * 1000),
        )
        self._redactor = Redactor(found.launch, surroundings.environment)
        self._tools_changed = asyncio.Event()
        self._retry = asyncio.Event()
        self._session: Session | None = None
        self.status = ServerStatus(ServerState.CONNECTING)
        self.catalogue: ReadCatalogue | None = None

    def try_again(self) -> None:
        """Do not wait any longer for the next try."""
        self._retry.set()

    async def run(self) -> None:
        """Keep the server until cancelled; when this has returned nothing of it runs."""
        while True:
            began_s = self._clock.monotonic_s()
            try:
                await self._run_once()
                failure = ServerFailure("ended")
            except ServerFailure as raised:
                failure = raised
            except UndefinedVariable as undefined:
                failure = ServerFailure(CONFIG_ERROR, undefined.name)
            except Exception as error:  # noqa: BLE001 - the top of a loop
                _log.exception("keeping %s failed", self._found.source)
                failure = ServerFailure("internal", type(error).__name__)
            self._note(ServerState.FAILED, failure.reason, self._redactor.clean(failure.detail))
            if self._clock.monotonic_s() - began_s >= limits.MCP_SETTLED_AFTER_S:
                self._backoff.reset()
            self._retry.clear()
            await self._waiter(self._retry, self._backoff.next_wait_s())

    @property
    def identity(self) -> Digest:
        """The identity of the launch that this keeper runs."""
        return self._found.launch.identity

    def clean(self, text: str) -> str:
        """Return what the server said without its secrets."""
        return self._redactor.clean(text)

    async def find_tool(self, name: str) -> bytes | None:
        """Return the definition that a tool has at this moment, None if it has no good one.

        Raises as `call` does.
        """
        return await self._ask(lambda session: session.find_tool(name))

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, on_progress: OnProgress
    ) -> Any:
        """Return the SDK's result of a call.

        Raises Unavailable (`mcp_server_not_ready`) before anything is sent, and ServerFailure when
        the server went away meanwhile: then nobody knows what it did. What the SDK raises for an
        answer that is a refusal, or none, goes through.
        """
        return await self._ask(
            lambda session: session.call(name, arguments, on_progress=on_progress)
        )

    async def end_if_silent(self) -> None:
        """Have the server started anew if it does not answer at all any more."""
        session = self._session
        if session is not None and await session.is_silent():
            session.lost.set()

    def look_again(self) -> None:
        """Ask the server for its tools again: they are not what they were."""
        self._tools_changed.set()

    async def _ask(self, ask: Callable[[Session], Coroutine[Any, Any, Answer]]) -> Answer:
        session = self._session
        if session is None or session.lost.is_set():
            raise Unavailable("The MCP server is not ready.", code="mcp_server_not_ready")
        asking = asyncio.create_task(ask(session))
        losing = asyncio.create_task(session.lost.wait())
        try:
            await asyncio.wait({asking, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done() or _is_cut(asking.exception(), session):
                raise ServerFailure(session.code_of_loss)
            return asking.result()
        finally:
            for task in (asking, losing):
                task.cancel()
            await asyncio.gather(asking, losing, return_exceptions=True)

    async def _run_once(self) -> None:
        self._note(ServerState.CONNECTING)
        launch = self._found.launch.expanded(self._surroundings.environment)
        target = Target(launch, self._surroundings, self._allows_private)
        self._tools_changed.clear()
        await self._starting.acquire()
        is_starting = True
        try:
            async with open_session(target, self._tools_changed.set) as session:
                async with asyncio.timeout(limits.MCP_CONNECT_TIMEOUT_S):
                    self.catalogue = await session.read_catalogue()
                self._starting.release()
                is_starting = False
                self._session = session
                self._note(ServerState.READY)
                await self._serve(session)
        except TimeoutError as error:
            raise ServerFailure("start_failed/timeout") from error
        finally:
            self._session = None
            if is_starting:
                self._starting.release()

    async def _serve(self, session: Session) -> None:
        """List again whenever the tools changed, until the session is lost."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(session.watch(self._tools_changed.set))
            losing = group.create_task(session.lost.wait())
            while not losing.done():
                changing = group.create_task(self._tools_changed.wait())
                await asyncio.wait({changing, losing}, return_when=asyncio.FIRST_COMPLETED)
                changing.cancel()
                if self._tools_changed.is_set() and not losing.done():
                    self._tools_changed.clear()
                    await self._list_again(session)
            watching.cancel()

    async def _list_again(self, session: Session) -> None:
        async with asyncio.timeout(limits.MCP_CONNECT_TIMEOUT_S):
            catalogue = await session.read_catalogue()
        if catalogue != self.catalogue:
            self.catalogue = catalogue
            self._on_change()

    def _note(self, state: ServerState, reason: str = "", detail: str = "") -> None:
        status = ServerStatus(state, reason, detail)
        if status != self.status or state is ServerState.READY:
            self.status = status
            self._on_change()


def _is_cut(error: BaseException | None, session: Session) -> bool:
    """Whether a call ended because nobody is there to answer it.

    The SDK's number for that is one that servers use for refusals of their own.
    """
    import mcp_types
    from mcp.shared.exceptions import MCPError

    is_closed = isinstance(error, MCPError) and error.code == mcp_types.CONNECTION_CLOSED
    return is_closed and (session.lost.is_set() or session.is_remote)


__all__ = ["CONFIG_ERROR", "ServerKeeper", "ServerState", "ServerStatus"]
