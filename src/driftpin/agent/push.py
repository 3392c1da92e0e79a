"""Delivering the newest state to the control plane.

There is no queue: a state that was overtaken is never sent. A refusal is repaired at once where the
answer says how (another number, missing bytes, a hello); content that the server refuses for good
waits for another state; a fenced or deleted agent stops; everything else is tried again with
growing, jittered waits.
"""

import asyncio
import json
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from driftpin import limits
from driftpin.agent.barrier import Barrier
from driftpin.agent.numbering import Content, Numbering
from driftpin.agent.parcels import Blobs, BytesGone, fits_inline, in_batches, read_inline
from driftpin.agent.passes import WorkspaceState
from driftpin.agent.report import observations_to_json
from driftpin.agent.waiting import Backoff, Waiter, wait_on_clock
from driftpin.clock import Clock
from driftpin.context.resource import blobs_of
from driftpin.errors import (
    BlobsMissing,
    DriftpinError,
    Gone,
    Malformed,
    PushOutdated,
    Rejected,
    TooLarge,
    Unavailable,
)
from driftpin.failpoints import Failpoint, Reach, pass_by
from driftpin.identity import Digest
from driftpin.wire.agent import (
    BlobsRequest,
    HeadShape,
    HelloReply,
    HelloRequest,
    PushReply,
    PushRequest,
)

_log = logging.getLogger(__name__)

# Refusals that the same content would meet again.
CONTENT_REFUSALS: Final = (Malformed, Rejected, TooLarge)
# Another process has the agent's place; trying again would only take it back.
FINAL_REFUSALS: Final = frozenset({"agent_locked", "fenced"})
_REPAIRABLE: Final = (BlobsMissing, PushOutdated)
# With nothing to send the loop only waits to be woken.
IDLE_WAIT_S: Final = float(limits.RESCAN_INTERVAL_S)


class ControlPlane(Protocol):
    """The server as a workspace agent sees it; every method raises a DriftpinError as refused."""

    async def hello(self, request: HelloRequest) -> HelloReply:
        """Introduce this process."""

    async def push(self, request: PushRequest) -> PushReply:
        """Offer a state."""

    async def upload_blobs(self, request: BlobsRequest) -> object:
        """Bring bytes ahead of a push."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server holds the state of this pass as the agent's head."""

    pass_number: int
    result: str
    head: HeadShape


@dataclass(frozen=True, slots=True)
class _Offer:
    state: WorkspaceState
    content: Content


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    content: Content
    blobs: frozenset[Digest]
    head: HeadShape
    at_s: float


class Pusher:
    """Sends the newest state that it was offered. `delivered` answers those who wait for one.

    `agent` is what the server said at the last hello, `introduced` is set by the first, `failure`
    says why the last try did not get through. `ask_for_pass` is called when bytes of the newest
    state are not there any more.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        introduction: HelloRequest,
        *,
        clock: Clock,
        ask_for_pass: Callable[[], object],
        backoff: Backoff | None = None,
        waiter: Waiter = wait_on_clock,
        reach: Reach = pass_by,
    ) -> None:
        self._control_plane = control_plane
        self._introduction = introduction
        self._clock = clock
        self._ask_for_pass = ask_for_pass
        self._backoff = backoff or Backoff()
        self._waiter = waiter
        self._reach = reach
        self._numbering: Numbering | None = None
        self._must_say_hello = True
        self._newest: _Offer | None = None
        self._is_forced = False
        self._acknowledged: _Acknowledged | None = None
        self._refused: Content | None = None
        self._repairs = 0
        self._first_pass = 0
        self._changed = asyncio.Event()
        self._nudged = asyncio.Event()
        self.agent: HelloReply | None = None
        self.introduced = asyncio.Event()
        self.delivered: Barrier[Delivered] = Barrier()
        self.failure = ""

    @property
    def head(self) -> HeadShape | None:
        """The head that the server acknowledged last."""
        return self._acknowledged.head if self._acknowledged else None

    def offer(self, state: WorkspaceState) -> None:
        """Make this the state to send, in place of any earlier one."""
        self._newest = _Offer(state, _content_of(state))
        self._is_forced |= state.was_asked_for
        self._settle_if_held()
        self._changed.set()

    def say_hello_again(self) -> None:
        """The connection was lost and is back: ask the server what it holds, without waiting."""
        self._must_say_hello = True
        self._nudged.set()
        self._changed.set()

    def try_again_soon(self) -> None:
        """What kept pushes away is over; all agents hear of it at once, so each takes a moment."""
        spread_s = random.uniform(0, limits.SYNC_RESUME_SPREAD_S)  # noqa: S311 jitter
        asyncio.get_running_loop().call_later(spread_s, self._nudged.set)

    @property
    def is_sync_paused(self) -> bool:
        """Whether the server takes no pushes at present because an administrator said so."""
        return self.failure.startswith("sync_paused:")

    async def run(self, first_pass: int = 0) -> NoReturn:
        """Send states of passes from `first_pass` on, for ever.

        Raises PushOutdated (`fenced`) when a newer process took over, Forbidden (`agent_locked`)
        when two did so in turn, and Gone when the agent was deleted; all are final.
        """
        self._first_pass = first_pass
        while True:
            await self._wait_until_due()
            try:
                await self._send()
            except DriftpinError as error:
                if isinstance(error, Gone) or error.code in FINAL_REFUSALS:
                    raise
                await self._wait_after(error)
            except Exception:  # noqa: BLE001 - the top of a loop
                _log.exception("a push failed")
                await self._wait_after(Unavailable("a push failed; see the agent's log"))

    async def _wait_until_due(self) -> None:
        while (wait_s := self._due_in_s()) > 0:
            self._changed.clear()
            await self._waiter(self._changed, wait_s)

    def _due_in_s(self) -> float:
        if self._must_say_hello and self.agent is not None:
            return 0.0
        offer = self._newest
        if offer is None or offer.state.pass_number < self._first_pass:
            return IDLE_WAIT_S
        if self._is_forced:
            return 0.0
        held = self._acknowledged
        if offer.content == self._refused or (held and held.content == offer.content):
            return IDLE_WAIT_S
        if held is None or held.content.digest != offer.content.digest:
            return 0.0
        # Only the observations are new; they are worth a push every few seconds at most.
        return held.at_s + limits.OBSERVATIONS_PUSH_INTERVAL_S - self._clock.monotonic_s()

    async def _send(self) -> None:
        if self._numbering is None or self._must_say_hello:
            self._numbering = await self._say_hello()
            return
        offer = self._newest
        assert offer is not None, "a push is due only when there is something to push"
        try:
            await self._try_push(self._numbering, offer)
        except BytesGone:
            self._read_again(offer)

    async def _try_push(self, numbering: Numbering, offer: _Offer) -> None:
        try:
            reply = await self._push(numbering, offer)
        except CONTENT_REFUSALS as refusal:
            if refusal.code == "quota_exceeded":
                # Somebody may make room, so the same content is offered again, ever more rarely.
                raise
            self._give_up(numbering, offer, refusal)
        except _REPAIRABLE as refusal:
            await self._repair(numbering, offer, refusal)
        else:
            self._note_delivery(numbering, offer, reply)

    async def _repair(
        self, numbering: Numbering, offer: _Offer, refusal: BlobsMissing | PushOutdated
    ) -> None:
        self._repairs += 1
        if self._repairs > limits.PUSH_REPAIRS_MAX or refusal.code == "fenced":
            raise refusal
        if isinstance(refusal, PushOutdated):
            self._repair_numbering(numbering, refusal)
        else:
            await self._bring_missing(offer, refusal)

    async def _say_hello(self) -> Numbering:
        reply = await self._control_plane.hello(self._introduction)
        self._must_say_hello = False
        self.agent = reply
        self.introduced.set()
        held = self._acknowledged
        if held is not None and (reply.head is None or reply.head.digest != held.content.digest):
            _log.warning("the server does not hold the head that it acknowledged; sending it anew")
            self._acknowledged = None
        return Numbering.after_hello(reply, self._numbering)

    async def _push(self, numbering: Numbering, offer: _Offer) -> PushReply:
        blobs = offer.state.blobs
        fresh = self._fresh_digests(offer)
        if not fits_inline(blobs, fresh):
            # While nothing is acknowledged only the server knows what it lacks, and will say so.
            if self._acknowledged is not None:
                await self._upload(blobs, fresh)
            fresh = []
        request = PushRequest(
            incarnation=numbering.incarnation,
            seq=numbering.seq_for(offer.content),
            manifest=json.loads(offer.state.snapshot.manifest),
            observations=json.loads(offer.content.observations),
            digest=offer.content.digest,
            blobs=await asyncio.to_thread(read_inline, blobs, fresh),
        )
        await self._reach(Failpoint.AGENT_SEND)
        reply = await self._control_plane.push(request)
        await self._reach(Failpoint.AGENT_ACK)
        return reply

    def _fresh_digests(self, offer: _Offer) -> list[Digest]:
        if self._acknowledged is not None:
            known = self._acknowledged.blobs
            return [digest for digest in offer.state.blobs if digest not in known]
        head = self.agent.head if self.agent else None
        is_held = head is not None and head.digest == offer.content.digest
        return [] if is_held else list(offer.state.blobs)

    async def _upload(self, blobs: Blobs, digests: Iterable[Digest]) -> None:
        for batch in in_batches(blobs, digests):
            carried = await asyncio.to_thread(read_inline, blobs, batch)
            await self._control_plane.upload_blobs(BlobsRequest(blobs=carried))

    async def _bring_missing(self, offer: _Offer, missing: BlobsMissing) -> None:
        named = missing.fields.get("digests")
        wanted = frozenset(named) if isinstance(named, list) else frozenset()
        offered = [digest for digest in offer.state.blobs if digest in wanted]
        if not offered:
            raise missing
        await self._upload(offer.state.blobs, offered)

    def _read_again(self, offer: _Offer) -> None:
        """The bytes of this state are gone from the workspace; only a later state can be sent."""
        if self._newest is offer:
            self._newest, self._is_forced = None, False
            self._ask_for_pass()

    def _repair_numbering(self, numbering: Numbering, outdated: PushOutdated) -> None:
        seq, incarnation = outdated.fields.get("seq"), outdated.fields.get("incarnation")
        if isinstance(seq, int) and incarnation == numbering.incarnation:
            numbering.adopt(seq)
        else:
            self._must_say_hello = True

    def _note_delivery(self, numbering: Numbering, offer: _Offer, reply: PushReply) -> None:
        blobs = frozenset(
            blob.digest
            for resource in offer.state.snapshot.resources
            for blob in blobs_of(resource)
        )
        self._acknowledged = _Acknowledged(
            offer.content, blobs, reply.head, self._clock.monotonic_s()
        )
        self._settle_number(numbering, offer)
        self._refused, self.failure = None, ""
        self._backoff.reset()
        number = offer.state.pass_number
        self.delivered.settle(number, Delivered(number, reply.result, reply.head))
        self._settle_if_held()

    def _give_up(self, numbering: Numbering, offer: _Offer, refusal: DriftpinError) -> None:
        self.failure = f"{refusal.code}: {refusal.message}"
        _log.error("the server refuses this state of the workspace for good: %s", self.failure)
        self._settle_number(numbering, offer)
        self._refused = offer.content
        self.delivered.fail(offer.state.pass_number, refusal)

    def _settle_number(self, numbering: Numbering, offer: _Offer) -> None:
        self._repairs = 0
        numbering.settle()
        if self._newest is offer:
            self._is_forced = False

    def _settle_if_held(self) -> None:
        offer, held = self._newest, self._acknowledged
        if offer is None or held is None or self._is_forced or offer.content != held.content:
            return
        number = offer.state.pass_number
        self.delivered.settle(number, Delivered(number, "unchanged", held.head))

    async def _wait_after(self, error: DriftpinError) -> None:
        self._repairs = 0
        self.failure = f"{error.code}: {error.message}"
        asked_s = error.fields.get("retry_after_s")
        least_s = min(asked_s, limits.RETRY_AFTER_LONGEST_S) if isinstance(asked_s, int) else 0
        # The jitter comes on top, since many may be told to come back at the same time.
        wait_s = least_s + self._backoff.next_wait_s()
        _log.warning("a push did not get through (%s); again in %.1f s", self.failure, wait_s)
        self._nudged.clear()
        await self._waiter(self._nudged, wait_s)


def _content_of(state: WorkspaceState) -> Content:
    observations = json.dumps(observations_to_json(state.observations), sort_keys=True)
    return Content(state.snapshot.digest, observations)


__all__ = ["ControlPlane", "Delivered", "Pusher"]
