"""Delivering the newest state to the control plane.

There is no queue: a state that was overtaken is never sent. Order is (incarnation, seq). A number
stays with what was sent under it until the server has answered, so that sending it again after a
lost answer is a `duplicate`, and anything else takes a fresh number. Refusals are repaired at once
where the answer says how; content that the server refuses for good waits for another state; a
fenced or deleted agent stops; everything else is tried again with growing, jittered waits.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

from driftpin import limits
from driftpin.agent.barrier import Barrier
from driftpin.agent.parcels import as_inline, fits_inline, in_batches, without
from driftpin.agent.passes import WorkspaceState
from driftpin.agent.report import observations_to_json
from driftpin.agent.waiting import Backoff, Waiter, wait_on_clock
from driftpin.clock import Clock
from driftpin.context.resource import Observations, blobs_of
from driftpin.errors import (
    BlobsMissing,
    DriftpinError,
    Gone,
    Malformed,
    PushOutdated,
    RateLimited,
    Rejected,
    TooLarge,
    Unavailable,
)
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
CONTENT_REFUSALS = (Malformed, Rejected, TooLarge)


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
class _Content:
    """What makes two pushes the same."""

    digest: Digest
    observations: str


@dataclass(slots=True)
class _Session:
    """What the server knows of this process: its incarnation, and the last number it used."""

    incarnation: int
    seq: int
    in_doubt: _Content | None = None

    def number_for(self, content: _Content) -> int:
        if self.in_doubt != content:
            self.seq += 1
            self.in_doubt = content
        return self.seq

    def adopt(self, seq: int) -> None:
        self.seq = max(self.seq, seq)
        self.in_doubt = None


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    content: _Content
    blobs: frozenset[Digest]
    head: HeadShape
    at_s: float


class Pusher:
    """Sends the newest state that it was offered. `delivered` answers those who wait for one.

    `agent` is what the server said at the last hello. `ask_for_pass` is called when the server
    turns out to lack what was acknowledged before: the bytes have to be read again.
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
    ) -> None:
        self._control_plane = control_plane
        self._introduction = introduction
        self._clock = clock
        self._ask_for_pass = ask_for_pass
        self._backoff = backoff or Backoff()
        self._waiter = waiter
        self._session: _Session | None = None
        self._newest: WorkspaceState | None = None
        self._is_forced = False
        self._refused: _Content | None = None
        self._repairs = 0
        self._first_pass = 0
        self._changed = asyncio.Event()
        self._nudged = asyncio.Event()
        self.acknowledged: _Acknowledged | None = None
        self.agent: HelloReply | None = None
        self.delivered: Barrier[Delivered] = Barrier()
        self.failure = ""

    def offer(self, state: WorkspaceState) -> None:
        """Make this the state to send, in place of any earlier one."""
        self._newest = state
        self._is_forced |= state.was_asked_for
        self._changed.set()

    def say_hello_again(self) -> None:
        """The connection was lost and is back: ask the server what it holds, without waiting."""
        self._session = None
        self._nudged.set()
        self._changed.set()

    async def run(self, first_pass: int = 0) -> NoReturn:
        """Send states of passes from `first_pass` on, for ever.

        Raises PushOutdated (`fenced`) when a newer process took over, Gone when the agent was
        deleted; both are final.
        """
        self._first_pass = first_pass
        while True:
            try:
                await self._send_what_is_due()
            except CONTENT_REFUSALS as error:
                self._give_up_content(error)
            except DriftpinError as error:
                if isinstance(error, Gone) or error.code == "fenced":
                    raise
                await self._wait_after(error)
            except Exception:
                # The top of the loop: a fault of ours must not end the pushing.
                _log.exception("a push failed")
                await self._wait_after(Unavailable("a push failed; see the agent's log"))

    async def _send_what_is_due(self) -> None:
        await self._waiter_until_due()
        if self._session is None:
            await self._hello()
        state = self._newest
        if state is None or self._session is None:
            return
        content = _content_of(state)
        if self._holds(state, content):
            return
        try:
            reply = await self._push(self._session, state, content)
        except BlobsMissing as missing:
            self._count_repair(missing)
            await self._bring_missing(state, missing)
        except PushOutdated as outdated:
            self._count_repair(outdated)
            self._repair_number(self._session, outdated)
        else:
            self._note_delivery(state, content, reply)

    async def _waiter_until_due(self) -> None:
        while (wait_s := self._due_in_s()) > 0:
            self._changed.clear()
            await self._waiter(self._changed, wait_s)

    def _due_in_s(self) -> float:
        """Return how long nothing needs to be sent; as long as a rescan when nothing is known."""
        idle_s = float(limits.RESCAN_INTERVAL_S)
        if self._session is None and self.agent is not None:
            return 0.0
        state = self._newest
        if state is None or state.pass_number < self._first_pass:
            return idle_s
        content = _content_of(state)
        if self._is_forced or self._session is None:
            return 0.0
        if self._holds(state, content) or content == self._refused:
            return idle_s
        return self._observations_due_in_s(content)

    def _observations_due_in_s(self, content: _Content) -> float:
        """Observations alone are sent every few seconds at most; a changed manifest at once."""
        if self.acknowledged is None or self.acknowledged.content.digest != content.digest:
            return 0.0
        due_s = self.acknowledged.at_s + limits.OBSERVATIONS_PUSH_INTERVAL_S
        return max(0.0, due_s - self._clock.monotonic_s())

    def _holds(self, state: WorkspaceState, content: _Content) -> bool:
        """Whether the server already holds this; those who wait for the pass are answered."""
        held = self.acknowledged
        if held is None or held.content != content or self._is_forced:
            return False
        self.delivered.settle(
            state.pass_number, Delivered(state.pass_number, "unchanged", held.head)
        )
        return True

    async def _hello(self) -> None:
        reply = await self._control_plane.hello(self._introduction)
        self.agent = reply
        own = reply.head if reply.head and reply.head.incarnation == reply.incarnation else None
        self._session = _Session(reply.incarnation, own.seq if own else 0)
        if self.acknowledged is None:
            return
        if reply.head is None or reply.head.digest != self.acknowledged.content.digest:
            _log.warning("the server holds another head than it acknowledged; sending anew")
            self.acknowledged = None
            self._ask_for_pass()

    async def _push(
        self, session: _Session, state: WorkspaceState, content: _Content
    ) -> PushReply:
        fresh = without(state.blobs, self.acknowledged.blobs if self.acknowledged else ())
        if not fits_inline(fresh):
            # Without an acknowledged state only the server knows what it lacks; it will say so.
            if self.acknowledged is not None:
                await self._upload(fresh)
            fresh = {}
        request = PushRequest(
            incarnation=session.incarnation,
            seq=session.number_for(content),
            manifest=json.loads(state.snapshot.manifest),
            observations=json.loads(content.observations),
            digest=state.snapshot.digest,
            blobs=as_inline(fresh),
        )
        return await self._control_plane.push(request)

    async def _upload(self, blobs: dict[Digest, bytes]) -> None:
        for batch in in_batches(blobs):
            await self._control_plane.upload_blobs(BlobsRequest(blobs=as_inline(batch)))

    async def _bring_missing(self, state: WorkspaceState, missing: BlobsMissing) -> None:
        digests = missing.fields.get("digests")
        wanted = {str(digest) for digest in digests} if isinstance(digests, list) else set()
        held = {digest: content for digest, content in state.blobs.items() if digest in wanted}
        if len(held) < len(wanted) or not wanted:
            self.acknowledged = None
            self._ask_for_pass()
            raise missing
        await self._upload(held)

    def _repair_number(self, session: _Session, outdated: PushOutdated) -> None:
        seq = outdated.fields.get("head_seq")
        incarnation = outdated.fields.get("head_incarnation", session.incarnation)
        if outdated.code == "fenced":
            raise outdated
        if isinstance(seq, int) and incarnation == session.incarnation:
            session.adopt(seq)
        else:
            self._session = None

    def _count_repair(self, error: DriftpinError) -> None:
        self._repairs += 1
        if self._repairs > limits.PUSH_REPAIRS_MAX:
            raise error

    def _note_delivery(self, state: WorkspaceState, content: _Content, reply: PushReply) -> None:
        blobs = frozenset(
            blob.digest for resource in state.snapshot.resources for blob in blobs_of(resource)
        )
        self.acknowledged = _Acknowledged(content, blobs, reply.head, self._clock.monotonic_s())
        if self._session is not None:
            self._session.in_doubt = None
        self._refused, self._repairs, self.failure = None, 0, ""
        self._backoff.reset()
        if self._newest is state:
            # The server has the bytes now, and a workspace's bytes are many.
            self._newest, self._is_forced = state.without_blobs(), False
        self.delivered.settle(
            state.pass_number, Delivered(state.pass_number, reply.result, reply.head)
        )

    def _give_up_content(self, error: DriftpinError) -> None:
        self.failure = f"{error.code}: {error.message}"
        _log.error("the server refuses this state of the workspace for good: %s", self.failure)
        self._is_forced, self._repairs = False, 0
        if self._newest is not None:
            self._refused = _content_of(self._newest)
            self.delivered.fail(self._newest.pass_number, error)
        if self._session is not None:
            self._session.in_doubt = None

    async def _wait_after(self, error: DriftpinError) -> None:
        self._repairs = 0
        self.failure = f"{error.code}: {error.message}"
        asked_s = error.fields.get("retry_after_s") if isinstance(error, RateLimited) else None
        wait_s = max(self._backoff.next_wait_s(), asked_s if isinstance(asked_s, int) else 0)
        _log.warning("a push did not get through (%s); again in %.1f s", self.failure, wait_s)
        self._nudged.clear()
        await self._waiter(self._nudged, wait_s)


def _content_of(state: WorkspaceState) -> _Content:
    return _Content(state.snapshot.digest, _observations_text(state.observations))


def _observations_text(observations: Observations) -> str:
    return json.dumps(observations_to_json(observations), sort_keys=True)


__all__ = ["ControlPlane", "Delivered", "Pusher"]
