"""Wake-ups between the replicas on one PostgreSQL, by LISTEN and NOTIFY on a connection of its own.

NOTIFY inside the writing transaction would make every commit queue for one lock, so it is sent
after the commit, and many commits become one. A connection that breaks is opened again, and since
something may have been missed meanwhile, everybody is woken then.
"""

import asyncio
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy import URL

from driftpin import limits
from driftpin.events.wake_ups import LocalWakeUps, WakeUps
from driftpin.store.database import Database, EngineKind
from driftpin.store.engines import connect_arguments

log = structlog.get_logger(__name__)

CHANNEL: Final = "driftpin_events"
# What is told of commits that were steps of turns, none of which freed a turn; else nothing is.
STEPS: Final = "steps"


class PostgresWakeUps(LocalWakeUps):
    """Wakes this process at once, and every other one through the database."""

    def __init__(self, url: URL) -> None:
        """Carry through the database at `url`; nothing is opened yet."""
        super().__init__()
        self._address = connect_arguments(url)
        self._pending = asyncio.Event()
        self._told = STEPS
        self._is_listening = asyncio.Event()

    def announce(self) -> None:
        """Wake this process, and have the others told soon."""
        super().announce()
        self._told = ""
        self._pending.set()

    def announce_step(self) -> None:
        """Wake those here who listen to steps, and have the others told soon."""
        super().announce_step()
        self._pending.set()

    async def wait_until_listening(self) -> None:
        """Return once announcements of others arrive."""
        await self._is_listening.wait()

    async def carry(self) -> None:
        """Carry until cancelled; reconnects by itself."""
        while True:
            try:
                await self._carry_over_one_connection()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
                log.warning("wake_ups_interrupted", reason=type(failure).__name__)
            finally:
                self._is_listening.clear()
            await asyncio.sleep(limits.WAKE_UP_RETRY_S)

    async def _carry_over_one_connection(self) -> None:
        connection = await asyncpg.connect(**self._address, timeout=limits.OPERATION_DEADLINE_S)
        try:
            connection.add_termination_listener(self._wake_carrier)
            await connection.add_listener(CHANNEL, self._arrived)
            self._is_listening.set()
            super().announce()
            while not connection.is_closed():
                await self._pending.wait()
                self._pending.clear()
                told, self._told = self._told, STEPS
                await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, told)
        finally:
            connection.terminate()

    def _wake_carrier(self, *_: Any) -> None:
        self._pending.set()

    def _arrived(self, *told: Any) -> None:
        *_, payload = told
        if payload == STEPS:
            super().announce_step()
        else:
            super().announce()


def wake_ups_of(database: Database) -> WakeUps:
    """Return the carrier that suits the database's engine."""
    if database.engine_kind is EngineKind.POSTGRESQL:
        return PostgresWakeUps(database.url)
    return LocalWakeUps()


__all__ = ["PostgresWakeUps", "wake_ups_of"]
