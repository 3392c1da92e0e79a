"""The collector of a history: it removes what is old while everybody works, and reads it first.

What events there were is known from the rows themselves, which are read before any is removed. Rows
younger than the retention are not removed, so none is missed.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from driftpin import limits
from driftpin.errors import Gone
from driftpin.events.event import Position
from driftpin.identity import WORKER
from driftpin.operations.collect_garbage import Retention, collect_garbage
from driftpin.store.store import Store
from histories.clients import Clerk
from histories.record import Stored, What

# No operation takes as long as events are kept, so each of them is read before it is removed.
SHORT: Final = Retention(
    grace=timedelta(milliseconds=100),
    heads=timedelta(milliseconds=100),
    history=timedelta(hours=1),
    events=timedelta(seconds=limits.OPERATION_DEADLINE_S + 2),
)
# At the end: every event but the newest goes.
SWEEP: Final = replace(SHORT, events=timedelta())


@dataclass(slots=True)
class Auditor:
    """Collects garbage round after round, as long as it is let."""

    clerk: Clerk
    store: Store
    retention: Retention
    round_s: float = 0.05
    position: Position = field(default=Position(0, 0))
    _never: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self) -> None:
        """Stand at the present end."""
        _, self.position = await self.store.first_and_last_position(WORKER)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.read()
            await self.clerk.note(What.COLLECT, self._collect)
            try:
                async with asyncio.timeout(self.round_s):
                    await self._never.wait()
            except TimeoutError:
                continue

    async def _collect(self) -> dict[str, Any]:
        report = await collect_garbage(self.store, WORKER, self.retention)
        return {"flag": not report.is_empty}

    async def read(self) -> None:
        """Read every stored event that was not read yet."""
        while True:
            try:
                batch, position = await self.store.list_events(
                    WORKER, after=self.position, limit=500
                )
            except Gone as lost:
                raise AssertionError("an event was removed before its time") from lost
            self.clerk.record.stored += [
                Stored(
                    event.position,
                    event.kind.value,
                    event.workspace_id or "",
                    event.chat_id or "",
                    event.agent_id or "",
                    _text_in(event.payload.get("digest")),
                    _text_in(event.payload.get("verb")),
                )
                for event in batch
            ]
            self.position = position
            if not batch:
                return


def _text_in(value: object) -> str | None:
    return value if isinstance(value, str) else None


__all__ = ["SHORT", "SWEEP", "Auditor"]
