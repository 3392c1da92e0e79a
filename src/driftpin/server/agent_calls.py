"""Calls to agents from any replica, whichever holds the agent's link.

A call is a row before it is sent, and is started once, by the replica that holds the link: in the
same transaction if it is asked there, else as soon as the holder is woken or looks. Whoever asked
finds the answer in the row. A holder that dies leaves `unknown`, and nothing runs again.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from driftpin import limits
from driftpin.chat.tools import OnProgress, Progress
from driftpin.errors import DriftpinError, Gone, Unauthenticated, Unavailable
from driftpin.identity import NOBODY, WORKER, Actor, AgentId, CallId
from driftpin.operations.ask_agent import NOTHING_MORE, agent_offline, ask_agent
from driftpin.operations.close_lost_calls import close_lost_calls
from driftpin.operations.finish_call import CallEnd, finish_call
from driftpin.operations.start_calls import start_calls
from driftpin.operations.withdraw_call import withdraw_call
from driftpin.server.heard_progress import FarTeller, HeardProgress
from driftpin.server.links import AgentRefused, CallLost, Links
from driftpin.server.tailer import Tailer
from driftpin.store.call_values import CallRow, CallState, longest_s_of
from driftpin.store.store import Store
from driftpin.wire.link import LinkNote

log = structlog.get_logger(__name__)


class AgentCalls:
    """Asks agents, and carries out what other replicas ask of the agents that are linked here."""

    def __init__(
        self,
        store: Store,
        links: Links,
        tailer: Tailer,
        *,
        holder: str,
        count: Callable[[str], None],
    ) -> None:
        """Start calls under the name that `links` are held under; `count` is told each outcome."""
        self._count = count
        self._store = store
        self._links = links
        self._tailer = tailer
        self._holder = holder
        self._carrying: set[asyncio.Task[CallEnd]] = set()
        self._progress = HeardProgress()

    async def call(
        self,
        actor: Actor,
        agent_id: AgentId,
        method: str,
        params: Mapping[str, Any],
        *,
        about: Mapping[str, str] = NOTHING_MORE,
        on_progress: OnProgress | None = None,
    ) -> Any:
        """Return what the agent answers; `about` goes into the audit.

        `on_progress` hears how far a call has come that has a name (`call`) and says `progress`.

        Raises what the agent refused with; Unavailable: `agent_offline` and `agent_busy` for a call
        that did not happen, `call_unknown` and `agent_timeout` for one that may have happened.
        """
        try:
            call_id, is_here = await ask_agent(
                self._store, actor, agent_id, method, params, holder=self._holder, about=about
            )
        except Unavailable as refusal:
            self._count(refusal.code)
            raise
        if is_here:
            # Whoever asked may leave; the call goes on, and its row tells how it ended.
            carrying = self._carry(call_id, agent_id, method, params, on_progress)
            end = await asyncio.shield(carrying)
        else:
            end = await self._wait_for(call_id, longest_s_of(method), on_progress)
        self._count(_outcome_of(end))
        return _result_of(end)

    def hear(self, agent_id: AgentId, note: LinkNote) -> None:
        """Give on what an agent tells of a call of its own; whatever else it says is nothing."""
        self._progress.hear(agent_id, note)

    async def run_forever(self) -> None:
        """Carry out what other replicas ask, until cancelled."""
        while True:
            seen = self._tailer.count
            if len(self._links):
                await self._start_waiting()
                # Many commits in a row are one look.
                await asyncio.sleep(limits.AGENT_CALL_LOOK_GAP_S)
            await self._tailer.wait(seen, limits.EVENT_POLL_INTERVAL_S)

    async def drain(self) -> None:
        """Give calls under way a moment to end by themselves."""
        if self._carrying:
            await asyncio.wait(self._carrying, timeout=limits.AGENT_CALL_DRAIN_S)

    async def _start_waiting(self) -> None:
        try:
            for call in await start_calls(self._store, WORKER, holder=self._holder):
                self._carry(call.id, call.agent_id, call.method, call.params, self._teller_of(call))
        except DriftpinError as refusal:
            log.warning("calls_not_started", code=refusal.code)
        except Exception:
            log.exception("calls_not_started")

    def _teller_of(self, call: CallRow) -> OnProgress | None:
        """Return what writes down how far a call has come that another replica waits for."""
        is_followed = call.params.get("progress") is True
        return FarTeller(self._store, call.id).take if is_followed else None

    def _carry(
        self,
        call_id: CallId,
        agent_id: AgentId,
        method: str,
        params: Mapping[str, Any],
        on_progress: OnProgress | None = None,
    ) -> asyncio.Task[CallEnd]:
        carrying = self._carry_out(call_id, agent_id, method, params, on_progress)
        task = asyncio.create_task(carrying)
        self._carrying.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[CallEnd]) -> None:
        self._carrying.discard(task)
        if not task.cancelled() and isinstance(task.exception(), DriftpinError):
            # The row stays as it is and is `unknown` after a while.
            log.warning("call_not_finished", reason=str(task.exception()))

    async def _carry_out(
        self,
        call_id: CallId,
        agent_id: AgentId,
        method: str,
        params: Mapping[str, Any],
        on_progress: OnProgress | None,
    ) -> CallEnd:
        try:
            await self._check_link(agent_id)
            with self._progress.heard_by(on_progress, agent_id, params.get("call")):
                end = CallEnd(await self._links.call(agent_id, method, params))
        except CallLost as lost:
            end = CallEnd(error_code=lost.code, error_text=lost.message, is_unknown=True)
        except DriftpinError as refusal:
            end = CallEnd(error_code=refusal.code, error_text=refusal.message)
        return await finish_call(self._store, WORKER, call_id, end)

    async def _check_link(self, agent_id: AgentId) -> None:
        """End the agent's link if its token is good no more: what is younger is not told to it."""
        link = self._links.find(agent_id)
        if link is None:
            return
        try:
            await self._store.resolve_token(NOBODY, link.secret_digest)
        except (Unauthenticated, Gone) as refusal:
            await link.close(refusal.code)
            raise agent_offline() from None

    async def _wait_for(
        self, call_id: CallId, longest_s: float, on_progress: OnProgress | None
    ) -> CallEnd:
        """Return how a call ended that another replica is to carry out."""
        told: Progress | None = None
        clock = self._store.database.clock
        began_s = swept_s = clock.monotonic_s()
        while True:
            seen = self._tailer.count
            call = await self._store.get_call(WORKER, call_id)
            if on_progress is not None and call.progress not in (None, told):
                told = call.progress
                on_progress(told)
            if call.finished_at is not None:
                return _end_of(call)
            waited_s = clock.monotonic_s() - began_s
            if waited_s > longest_s:
                return CallEnd(error_code=CallLost.default_code, is_unknown=True)
            is_ignored = waited_s > limits.AGENT_CALL_START_WAIT_S
            if call.state is CallState.NOT_STARTED and is_ignored:
                await withdraw_call(self._store, WORKER, call_id, agent_offline().code)
                continue
            if clock.monotonic_s() - swept_s > limits.EVENT_POLL_INTERVAL_S:
                await close_lost_calls(self._store, WORKER)
                swept_s = clock.monotonic_s()
            await asyncio.sleep(limits.AGENT_CALL_LOOK_GAP_S)
            await self._tailer.wait(seen, limits.EVENT_POLL_INTERVAL_S)


def _end_of(call: CallRow) -> CallEnd:
    return CallEnd(call.result, call.error_code, call.error_text, call.state is CallState.UNKNOWN)


def _outcome_of(end: CallEnd) -> str:
    if end.error_code is None:
        return "done"
    if end.is_unknown:
        return "unknown"
    return end.error_code if end.error_code == agent_offline().code else "refused"


def _result_of(end: CallEnd) -> Any:
    if end.error_code is None:
        return end.result
    if end.error_code == agent_offline().code:
        raise agent_offline()
    if end.is_unknown:
        raise CallLost(end.error_text or None, code=end.error_code)
    raise AgentRefused(end.error_text or None, code=end.error_code)


__all__ = ["AgentCalls"]
