"""Works out the drifts that a new head makes, so that lists and streams find them ready."""

import asyncio

import structlog

from driftpin.errors import DriftpinError
from driftpin.identity import WORKER, AgentId
from driftpin.operations.keep_drift import keep_drift
from driftpin.store.store import Store

log = structlog.get_logger(__name__)


class DriftKeeper:
    """Keeps drifts for the agents it is told of, one at a time; what it misses readers make."""

    def __init__(self, store: Store) -> None:
        """Work on `store` once `run_forever` runs."""
        self._store = store
        self._due: dict[AgentId, None] = {}
        self._has_work = asyncio.Event()

    def schedule(self, agent_id: AgentId) -> None:
        """Have the agent's drifts made soon; asking twice is the same as asking once."""
        self._due[agent_id] = None
        self._has_work.set()

    async def run_forever(self) -> None:
        """Work until cancelled."""
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while self._due:
                agent_id = next(iter(self._due))
                del self._due[agent_id]
                await self._keep(agent_id)

    async def _keep(self, agent_id: AgentId) -> None:
        try:
            if await keep_drift(self._store, WORKER, agent_id):
                self.schedule(agent_id)
        except DriftpinError as refusal:
            log.warning("drift_not_kept", agent_id=agent_id, code=refusal.code)
        except Exception:
            log.exception("drift_not_kept", agent_id=agent_id)


__all__ = ["DriftKeeper"]
