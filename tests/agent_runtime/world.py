"""A server that keeps to the rules of pushing, and the small things that tests of an agent need."""

import asyncio
import base64
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from driftpin.agent.passes import WorkspaceState
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import (
    InstructionBody,
    Kind,
    Observations,
    Resource,
    Status,
    blobs_of,
)
from driftpin.errors import BlobsMissing, DriftpinError, PushOutdated, Unreachable
from driftpin.identity import Digest, digest_of
from driftpin.wire.agent import (
    BlobsRequest,
    HeadShape,
    HelloReply,
    HelloRequest,
    InlineBlob,
    PushReply,
    PushRequest,
)
from driftpin.wire.push import read_manifest

WAIT_S: Final = 5.0
# How long the pusher waits when there is nothing to send.
IDLE_S: Final = 30.0
AGENT_ID: Final = "01890000-0000-7000-8000-000000000001"
WORKSPACE_ID: Final = "01890000-0000-7000-8000-000000000002"


class SteppedClock:
    """Time that moves only when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def step(self, seconds: float) -> None:
        self.now_s += seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)

    def monotonic_s(self) -> float:
        return self.now_s


class HeldBlobs:
    """Blobs of a test's state, in memory."""

    def __init__(self, bodies: Mapping[Digest, bytes], *, are_gone: bool) -> None:
        self.bodies = dict(bodies)
        self._are_gone = are_gone

    def __iter__(self) -> Iterator[Digest]:
        return iter(sorted(self.bodies))

    def __getitem__(self, digest: Digest) -> bytes:
        if self._are_gone:
            raise KeyError(digest)
        return self.bodies[digest]

    def size_bytes(self, digest: Digest) -> int:
        return len(self.bodies[digest])


def state_with(
    pass_number: int,
    *bodies: bytes,
    observations: Observations | None = None,
    was_asked_for: bool = False,
    are_bytes_gone: bool = False,
) -> WorkspaceState:
    """Return a state with one instruction file per body."""
    resources = [
        Resource(
            Kind.INSTRUCTION_FILE,
            f"workspace:file{index}",
            Status.OK,
            body=InstructionBody(digest_of(body)),
        )
        for index, body in enumerate(bodies)
    ]
    return WorkspaceState(
        pass_number,
        snapshot_of(resources),
        HeldBlobs({digest_of(body): body for body in bodies}, are_gone=are_bytes_gone),
        observations or Observations(),
        was_asked_for,
    )


class RuleKeepingServer:
    """Accepts and refuses as the control plane does; `failures` are raised first, one a call.

    `lost_answers` counts how many answers to pushes are still to be lost after they took effect.
    """

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.head: HeadShape | None = None
        self.incarnation = 0
        self.run_id = ""
        self.pushes: list[PushRequest] = []
        self.results: list[str] = []
        self.uploads: list[int] = []
        self.hellos = 0
        self.failures: deque[DriftpinError] = deque()
        self.lost_answers = 0
        self._changed = asyncio.Condition()

    async def wait_for(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(is_so)

    async def hello(self, request: HelloRequest) -> HelloReply:
        self.hellos += 1
        if request.run_id != self.run_id:
            self.run_id = request.run_id
            self.incarnation += 1
        await self._announce()
        return HelloReply(
            agent_id=AGENT_ID,
            workspace_id=WORKSPACE_ID,
            incarnation=self.incarnation,
            head=self.head,
        )

    async def push(self, request: PushRequest) -> PushReply:
        self.pushes.append(request)
        try:
            result = self._accept(request)
        except DriftpinError as refusal:
            self.results.append(refusal.code)
            raise
        finally:
            await self._announce()
        self.results.append(result)
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unreachable
        assert self.head is not None
        return PushReply(result=result, head=self.head)  # type: ignore[arg-type]

    async def upload_blobs(self, request: BlobsRequest) -> object:
        self.uploads.append(len(request.blobs))
        self._keep(request.blobs)
        await self._announce()
        return None

    def _accept(self, request: PushRequest) -> str:
        if self.failures:
            raise self.failures.popleft()
        claimed = None if request.digest is None else Digest(request.digest)
        snapshot = read_manifest(request.manifest, claimed)
        head = self.head
        if request.incarnation < self.incarnation:
            raise PushOutdated(code="fenced")
        if head and head.incarnation == request.incarnation and request.seq <= head.seq:
            if request.seq == head.seq and head.digest == snapshot.digest:
                return "duplicate"
            code = "seq_conflict" if request.seq == head.seq else "stale"
            raise PushOutdated(code=code, seq=head.seq, incarnation=head.incarnation)
        self._keep(request.blobs)
        named = {blob.digest for resource in snapshot.resources for blob in blobs_of(resource)}
        if missing := sorted(named - self.blobs.keys()):
            raise BlobsMissing(digests=[str(digest) for digest in missing])
        is_same = head is not None and head.digest == snapshot.digest
        self.head = HeadShape(
            digest=snapshot.digest, incarnation=request.incarnation, seq=request.seq
        )
        return "unchanged" if is_same else "accepted"

    def _keep(self, blobs: tuple[InlineBlob, ...]) -> None:
        for blob in blobs:
            content = base64.b64decode(blob.data)
            self.blobs[digest_of(content)] = content

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class CountedWaits:
    """A waiter of backoffs that takes no time, and remembers what it was asked to wait."""

    def __init__(self, instant_up_to: int = 50) -> None:
        self.waits_s: list[float] = []
        self.on_wait: Callable[[float], object] = float
        self._instant_up_to = instant_up_to

    async def __call__(self, event: asyncio.Event, timeout_s: float) -> None:
        if timeout_s == IDLE_S:
            await event.wait()
            return
        self.waits_s.append(timeout_s)
        assert len(self.waits_s) <= self._instant_up_to, "tried again without an end"
        self.on_wait(timeout_s)
