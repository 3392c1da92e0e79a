"""What agents tell of calls under way, for those who wait for them in this process."""

import asyncio
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeGuard

import structlog

from driftpin import limits
from driftpin.chat.tools import OnProgress, Progress
from driftpin.context.tool_check import MCP_PROGRESS
from driftpin.errors import DriftpinError
from driftpin.identity import WORKER, AgentId, CallId
from driftpin.operations.note_call_progress import note_call_progress
from driftpin.store.store import Store
from driftpin.wire.link import LinkNote

log = structlog.get_logger(__name__)


class HeardProgress:
    """Who wants to hear of which call; nothing is kept of a call that nobody waits for."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._listeners: dict[tuple[AgentId, str], OnProgress] = {}

    @contextmanager
    def heard_by(
        self, listener: OnProgress | None, agent_id: AgentId, call: object
    ) -> Iterator[None]:
        """Let a listener hear of one call of an agent meanwhile."""
        if listener is None or not isinstance(call, str):
            yield
            return
        self._listeners[agent_id, call] = listener
        try:
            yield
        finally:
            self._listeners.pop((agent_id, call), None)

    def hear(self, agent_id: AgentId, note: LinkNote) -> None:
        """Take a note of an agent; of others' calls, and in another form, it tells nothing."""
        if note.method != MCP_PROGRESS:
            return
        listener = self._listeners.get((agent_id, str(note.params.get("call"))))
        progress = _progress_of(note.params)
        if listener is not None and progress is not None:
            listener(progress)


class FarTeller:
    """Writes down how far one call has come, for whoever waits for it on another replica.

    One word is written at a time; what comes meanwhile is dropped, since the next is newer.
    """

    def __init__(self, store: Store, call_id: CallId) -> None:
        """Tell of this call."""
        self._store = store
        self._call_id = call_id
        self._writing: asyncio.Task[None] | None = None

    def take(self, progress: Progress) -> None:
        """Take word of progress; an `OnProgress`."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(progress))

    async def _write(self, progress: Progress) -> None:
        try:
            await note_call_progress(self._store, WORKER, self._call_id, progress)
        except DriftpinError as refusal:
            log.info("progress_not_told", code=refusal.code)


def _progress_of(params: Mapping[str, Any]) -> Progress | None:
    done, total, text = params.get("progress"), params.get("total"), params.get("message")
    if not _is_number(done) or not (total is None or _is_number(total)):
        return None
    shown = text[: limits.MCP_PROGRESS_CHARACTERS_MAX] if isinstance(text, str) else None
    return Progress(done, total, shown)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and value is not True and math.isfinite(value)


__all__ = ["FarTeller", "HeardProgress"]
