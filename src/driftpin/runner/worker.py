"""The worker of a server process: claims turns that wait and carries out several at once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from driftpin import limits
from driftpin.chat.states import ChatState
from driftpin.clock import Clock
from driftpin.errors import DriftpinError, Unavailable
from driftpin.identity import WORKER, ChatId
from driftpin.models.port import Model
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.finish_turn import finish_turn
from driftpin.operations.release_turns import release_turns
from driftpin.operations.renew_turns import renew_turns
from driftpin.runner.agent_tools import AgentTools
from driftpin.runner.pins import PinReader
from driftpin.runner.turn import Turn
from driftpin.store.failures import is_storage_away
from driftpin.store.leases import ClaimedTurn, LeaseLost, TurnLease
from driftpin.store.store import Store
from driftpin.store.values import TurnState

TURNS_AT_ONCE_MAX: Final = 32
# How long a stop waits for a claim under way, and then until the turns are free.
FREE_WAIT_S: Final = 1.0
log = structlog.get_logger(__name__)


class ModelSource(Protocol):
    """Where models come from, by the name that a chat carries."""

    def get(self, name: str) -> Model:
        """Return the model, or raise Rejected with what is missing."""


class TurnWorker:
    """Runs turns until it is stopped. What it leaves unfinished, another worker takes over.

    Every turn that it claimed it ends or frees: on SQLite, where it is alone, nothing else would.
    """

    def __init__(
        self,
        store: Store,
        models: ModelSource,
        clock: Clock,
        *,
        name: str,
        agent_tools: AgentTools | None = None,
    ) -> None:
        """Work under `name`, which must be this process's alone.

        Without `agent_tools` chats have those tools alone that need no agent.
        """
        self._agent_tools = agent_tools
        self._store = store
        self._models = models
        self._clock = clock
        self._name = name
        self._pins = PinReader(store, WORKER)
        self._wake = asyncio.Event()
        self._turns: dict[TurnLease, Turn] = {}
        self._tasks: dict[asyncio.Task[None], TurnLease] = {}
        self._left: list[TurnLease] = []
        self._is_stopping = False
        self._loop: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Begin to claim turns."""
        self._is_stopping = False
        self._loop = asyncio.create_task(self._claim_forever(), name="turn-worker")
        self._renewing = asyncio.create_task(self._renew_forever(), name="turn-leases")

    def wake(self) -> None:
        """Look for waiting turns now; called after every commit that recorded an event."""
        self._wake.set()

    async def notice_interrupt(self, chat_id: ChatId) -> None:
        """Stop the chat's turn at once if it is held here and was asked to stop."""
        with suppress(Unavailable):
            await self._renew(self._held_of(chat_id))

    def interrupt(self, chat_id: ChatId) -> None:
        """Stop the chat's turn at once if this worker holds it; others notice within a second."""
        for turn in self._held_of(chat_id):
            turn.request_stop()

    def _held_of(self, chat_id: ChatId) -> list[Turn]:
        return [turn for turn in self._turns.values() if turn.chat_id == chat_id]

    async def stop(self) -> None:
        """Stop claiming and leave running turns to the next worker, from their last step."""
        self._is_stopping = True
        self._wake.set()
        if self._loop is not None:
            # Of a claim that is cut off under way nobody would know that it is held.
            await asyncio.wait({self._loop}, timeout=FREE_WAIT_S)
        loops = [loop for loop in (self._loop, self._renewing) if loop is not None]
        tasks = [*self._tasks, *loops]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(FREE_WAIT_S):
                await self._free_left()

    async def _claim_forever(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            longest_s = limits.TURN_POLL_S
            began_s = self._clock.monotonic_s()
            try:
                await self._free_left()
                await self._claim_all()
            except DriftpinError as refusal:
                log.warning("turns_not_claimed", code=refusal.code)
                longest_s = limits.TURN_CLAIM_RETRY_S
            except Exception:
                log.exception("turns_not_claimed")
                longest_s = limits.TURN_CLAIM_RETRY_S
            # Every commit of every chat wakes: looks must not take the time of those who work.
            took_s = self._clock.monotonic_s() - began_s
            rest_s = min(took_s * limits.TURN_LOOK_REST, limits.TURN_LOOK_REST_LONGEST_S)
            await asyncio.sleep(rest_s)
            # Not wait_for: in Python 3.11 it loses a cancellation that comes with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(longest_s):
                    await self._wake.wait()

    async def _free_left(self) -> None:
        """Free what was claimed and not ended; what could not be freed is tried again later."""
        if not self._left:
            return
        leases = tuple(self._left)
        await release_turns(self._store, WORKER, leases)
        self._left = [lease for lease in self._left if lease not in leases]

    async def _claim_all(self) -> None:
        while len(self._tasks) < TURNS_AT_ONCE_MAX and not self._is_stopping:
            claimed = await claim_turn(
                self._store, WORKER, holder=self._name, lease_s=limits.TURN_LEASE_S
            )
            if claimed is None:
                return
            task = asyncio.create_task(self._run(claimed), name=f"turn-{claimed.lease.chat_id}")
            self._tasks[task] = claimed.lease
            task.add_done_callback(self._forget)
            if not claimed.others_wait:
                return

    def _forget(self, task: asyncio.Task[None]) -> None:
        had_no_place = len(self._tasks) == TURNS_AT_ONCE_MAX
        lease = self._tasks.pop(task)
        if task.cancelled():
            self._left.append(lease)
        if had_no_place or self._left:
            self._wake.set()

    async def _run(self, claimed: ClaimedTurn) -> None:
        chat_id = claimed.lease.chat_id
        try:
            model = self._models.get(claimed.chat.model)
            turn = Turn(self._store, self._pins, model, self._clock, claimed, self._agent_tools)
            self._turns[claimed.lease] = turn
            if claimed.chat.state is ChatState.INTERRUPTING:
                turn.request_stop()
            await self._run_held(turn)
            self.counts["ended"] += 1
        except LeaseLost:
            self.counts["taken_over"] += 1
            log.warning("turn_taken_over", chat_id=chat_id, turn=claimed.lease.turn)
        except DriftpinError as refusal:
            if is_storage_away(refusal):
                # It goes on from its last committed step when it can be freed.
                self._left.append(claimed.lease)
                self.counts["left"] += 1
                log.warning("turn_left", chat_id=chat_id, code=refusal.code)
            else:
                await self._fail(claimed, f"{refusal.code}: {refusal.message}")
        except Exception:
            log.exception("turn_failed", chat_id=chat_id, turn=claimed.lease.turn)
            await self._fail(claimed, "internal: the server met a fault; its log says more")
        finally:
            self._turns.pop(claimed.lease, None)

    async def _run_held(self, turn: Turn) -> None:
        """Run the turn until it ends, or until its lease is lost; then another has it."""
        running = asyncio.create_task(turn.run())
        lost = asyncio.create_task(turn.lost.wait())
        try:
            await asyncio.wait({running, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise LeaseLost
            if running.cancelled():
                raise RuntimeError("the model cancelled the turn that it was asked in")
            await running
        finally:
            running.cancel()
            lost.cancel()
            await asyncio.gather(running, lost, return_exceptions=True)

    async def _renew_forever(self) -> None:
        """Renew all leases together: one that waited for its own turn would hold up the others."""
        while True:
            await asyncio.sleep(limits.TURN_RENEW_S)
            try:
                await self._renew(list(self._turns.values()))
            except DriftpinError as refusal:
                # A lease outlasts several renewals, and a lost one shows at the next write.
                log.warning("turns_not_renewed", code=refusal.code)
            except Exception:
                log.exception("turns_not_renewed")

    async def _renew(self, held: Sequence[Turn]) -> None:
        leases = [turn.claimed.lease for turn in held]
        states = await renew_turns(self._store, WORKER, leases, lease_s=limits.TURN_LEASE_S)
        for turn in held:
            match states.get(turn.claimed.lease):
                case None:
                    turn.lost.set()
                case ChatState.INTERRUPTING:
                    turn.request_stop()
                case _:
                    pass

    async def _fail(self, claimed: ClaimedTurn, error: str) -> None:
        self.counts["failed"] += 1
        try:
            await finish_turn(self._store, WORKER, claimed.lease, TurnState.FAILED, error=error)
        except DriftpinError as refusal:
            self._left.append(claimed.lease)
            log.warning("turn_not_closed", chat_id=claimed.lease.chat_id, code=refusal.code)


__all__ = ["TURNS_AT_ONCE_MAX", "ModelSource", "TurnWorker"]
