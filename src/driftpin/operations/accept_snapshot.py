"""Accept what an agent pushed: fence it, check it, store it, make it the head, pin who waits.

All of it is one transaction under the locks of the workspace and the agent, in this order. Chats
that have a pin are neither written nor looked at: what the push means for them is derived when
somebody asks. The event `agent.head` stands for every chat that the push pinned; their history
rows name it (`store.reading.events`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from driftpin import limits
from driftpin.context.manifest import Snapshot
from driftpin.errors import Malformed, PushOutdated, Rejected
from driftpin.events.event import EventKind
from driftpin.failpoints import Failpoint
from driftpin.identity import Actor, Digest, digest_of
from driftpin.operations.agent_lock import meet_agent
from driftpin.operations.complete_pins import complete_pins
from driftpin.operations.pin_moves import Binding, bind_and_pin
from driftpin.operations.stored_snapshots import store_new_snapshot
from driftpin.store.access import require_agent
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.values import PushOutcome, PushResult, SnapshotRef
from driftpin.store.writing.audit import record_audit
from driftpin.store.writing.events import event_values, record_event
from driftpin.store.writing.heads import (
    LockedAgent,
    LockedWorkspace,
    Standing,
    append_head,
    find_standing,
    is_head,
    keep_head,
    set_current_agent,
)
from driftpin.store.writing.pins import PinVerb, lock_pins, lock_waiting_pins, of_agent
from driftpin.store.writing.snapshots import Origin

_OUTDATED: Final[Mapping[str, str]] = {
    "hello_required": "The server gave out no such incarnation; say hello first.",
    "fenced": "A newer run of this agent took over from this one.",
    "stale": "A newer push of this run was accepted already; push the newest state.",
    "seq_conflict": "Another snapshot was accepted under this number; push with a higher one.",
}


@dataclass(frozen=True, slots=True)
class Push:
    """What an agent sent. `blobs` are those that it sent along; others were uploaded before."""

    incarnation: int
    seq: int
    snapshot: Snapshot
    observations: Mapping[str, Any] = field(default_factory=dict)
    blobs: Mapping[Digest, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Pushed:
    """The push with the rows that it meets, under lock."""

    push: Push
    workspace: LockedWorkspace
    agent: LockedAgent
    head: SnapshotRef | None
    stored: SnapshotRef | None
    takes_over: bool


async def accept_snapshot(
    store: Store,
    actor: Actor,
    *,
    incarnation: int,
    seq: int,
    snapshot: Snapshot,
    observations: Mapping[str, Any],
    blobs: Iterable[tuple[Digest, bytes]],
) -> PushOutcome:
    """Make the snapshot the agent's head.

    `blobs` came along with it; the others were uploaded before. A refused push changes nothing at
    all. Raises PushOutdated (`hello_required`, `fenced`, `stale`,
    `seq_conflict`) with `head`, `incarnation` and `seq` of the server; Gone (`agent_gone`);
    Forbidden (`agent_locked`);
    BlobsMissing with `digests`; Rejected or TooLarge for what is wrong with the snapshot itself.
    """
    require_agent(actor)
    push = Push(incarnation, seq, snapshot, observations, dict(blobs))
    _check_envelope(push)

    async def accept(transaction: Transaction) -> PushOutcome:
        outcome = await accept_push(transaction, actor, push)
        await transaction.reach(Failpoint.PUSH_PRE_COMMIT)
        return outcome

    try:
        outcome = await store.database.write(accept)
    except PushOutdated as refusal:
        if refusal.code == "seq_conflict":
            await _audit_conflict(store, actor, push)
        raise
    await store.database.reach(Failpoint.PUSH_POST_COMMIT)
    return outcome


async def accept_push(transaction: Transaction, actor: Actor, push: Push) -> PushOutcome:
    """Do the same inside a transaction of the caller's; it may run again from its start."""
    await transaction.reach(Failpoint.PUSH_TX_BEGUN)
    pushed = await _meet(transaction, actor, push)
    if _is_repeated(pushed):
        assert pushed.head is not None, "an accepted sequence has a head"
        return _outcome(PushResult.DUPLICATE, push, pushed.head)
    if not pushed.takes_over and is_head(push.snapshot, pushed.head):
        assert pushed.head is not None, "is_head says so"
        await _keep(transaction, pushed)
        return _outcome(PushResult.UNCHANGED, push, pushed.head)
    head, event_id = await _make_head(transaction, pushed)
    await transaction.reach(Failpoint.PUSH_OUTBOX)
    hydrated = await _settle_chats(transaction, actor, pushed, head, event_id)
    return _outcome(PushResult.ACCEPTED, push, head, hydrated)


def _check_envelope(push: Push) -> None:
    if not 1 <= push.seq <= limits.SEQ_MAX:
        raise Malformed("A sequence number is at least 1.", pointer="/seq")
    if digest_of(push.snapshot.manifest) != push.snapshot.digest:
        raise Rejected("The manifest does not have the digest it claims.", code="hash_mismatch")


async def _meet(transaction: Transaction, actor: Actor, push: Push) -> _Pushed:
    workspace, agent = await meet_agent(transaction, actor)
    standing = await find_standing(transaction, workspace, agent, push.snapshot.digest)
    _fence(push, agent, standing.head)
    takes_over = _takes_over(workspace, agent, standing)
    return _Pushed(push, workspace, agent, standing.head, standing.stored, takes_over)


def _fence(push: Push, agent: LockedAgent, head: SnapshotRef | None) -> None:
    """Refuse a push that is not newer than what was accepted. Order is (incarnation, seq) alone."""
    code = _why_outdated(push, agent, head)
    if code is not None:
        raise PushOutdated(
            _OUTDATED[code],
            code=code,
            head=head.digest if head else None,
            incarnation=agent.incarnation,
            seq=_accepted_seq(agent),
        )
    if push.seq > _accepted_seq(agent) + limits.SEQ_JUMP_MAX:
        raise Rejected("The sequence number jumps too far.", code="seq_jump", pointer="/seq")


def _why_outdated(push: Push, agent: LockedAgent, head: SnapshotRef | None) -> str | None:
    if agent.incarnation == 0 or push.incarnation > agent.incarnation:
        return "hello_required"
    if push.incarnation < agent.incarnation:
        return "hello_required" if _is_of_earlier_epoch(push, agent) else "fenced"
    if push.seq < _accepted_seq(agent):
        return "stale"
    is_same_seq = push.seq == _accepted_seq(agent)
    return "seq_conflict" if is_same_seq and not is_head(push.snapshot, head) else None


def _is_of_earlier_epoch(push: Push, agent: LockedAgent) -> bool:
    """Whether a backup was restored since: the run may still be the newest, and is to say hello."""
    per_epoch = limits.INCARNATIONS_PER_EPOCH_MAX
    return push.incarnation // per_epoch < agent.incarnation // per_epoch


def _accepted_seq(agent: LockedAgent) -> int:
    """Return the newest accepted sequence of the present incarnation; 0 before its first push."""
    return agent.head_seq if agent.head_incarnation == agent.incarnation else 0


def _is_repeated(pushed: _Pushed) -> bool:
    return pushed.push.seq == _accepted_seq(pushed.agent)


def _takes_over(workspace: LockedWorkspace, agent: LockedAgent, standing: Standing) -> bool:
    """Whether this push makes its agent the workspace's current one.

    The first push of an agent does, and any push where there is no current agent any more. An
    agent that another one replaced only pushes heads.
    """
    if workspace.current_agent_id == agent.id:
        return False
    return agent.head_id is None or standing.is_replacing_nobody


async def _keep(transaction: Transaction, pushed: _Pushed) -> None:
    await keep_head(
        transaction,
        pushed.agent.id,
        incarnation=pushed.push.incarnation,
        seq=pushed.push.seq,
        observations=pushed.push.observations,
    )


async def _make_head(transaction: Transaction, pushed: _Pushed) -> tuple[SnapshotRef, int]:
    """Return the head that the push makes, or makes again, and the number of its event."""
    push = pushed.push
    if is_head(push.snapshot, pushed.head):
        assert pushed.head is not None, "is_head says so"
        await _keep(transaction, pushed)
        told = _told(pushed, pushed.head)
        return pushed.head, await record_event(transaction, EventKind.AGENT_HEAD, **told)
    head = pushed.stored or await store_new_snapshot(
        transaction,
        pushed.workspace.id,
        push.snapshot,
        push.blobs,
        Origin.PUSHED,
        beside=pushed.head,
    )
    await transaction.reach(Failpoint.PUSH_SNAPSHOT)
    event_id = await append_head(
        transaction,
        pushed.agent.id,
        head,
        incarnation=push.incarnation,
        seq=push.seq,
        observations=push.observations,
        event=event_values(transaction, EventKind.AGENT_HEAD, **_told(pushed, head)),
    )
    await transaction.reach(Failpoint.PUSH_HEAD)
    return head, event_id


def _told(pushed: _Pushed, head: SnapshotRef) -> dict[str, Any]:
    return {
        "workspace_id": pushed.workspace.id,
        "agent_id": pushed.agent.id,
        "payload": {
            "agent_id": pushed.agent.id,
            "digest": head.digest,
            "prompt_digest": head.prompt_digest,
            "tools_digest": head.tools_digest,
        },
    }


async def _settle_chats(
    transaction: Transaction, actor: Actor, pushed: _Pushed, head: SnapshotRef, event_id: int
) -> int:
    """Pin the chats that this head is due for; return how many hydrated."""
    workspace, agent = pushed.workspace, pushed.agent
    if workspace.current_agent_id != agent.id and not pushed.takes_over:
        return 0
    pins = await lock_waiting_pins(transaction, workspace.id, agent.id)
    if pushed.takes_over:
        await set_current_agent(transaction, workspace.id, agent.id)
        if workspace.current_agent_id is not None:
            pins += await lock_pins(transaction, of_agent(workspace.current_agent_id))

    async def this_event(*_moved: PinVerb | SnapshotRef | None) -> int:
        return event_id

    binding = Binding(agent.id, head)
    settled = await bind_and_pin(transaction, actor, pins, binding, this_event)
    if pushed.head is None or pushed.head.tools_digest != head.tools_digest:
        await complete_pins(transaction, actor, workspace.id, binding, this_event)
    await transaction.reach(Failpoint.PUSH_HYDRATE)
    return len(settled.hydrated)


async def _audit_conflict(store: Store, actor: Actor, push: Push) -> None:
    """Leave a trace of two different pushes under one sequence; the push itself left none."""

    async def audit(transaction: Transaction) -> None:
        await record_audit(
            transaction,
            actor,
            "push.seq_conflict",
            actor.name,
            seq=f"{push.incarnation}/{push.seq}",
            digest=push.snapshot.digest,
        )

    await store.database.write(audit)


def _outcome(result: PushResult, push: Push, head: SnapshotRef, hydrated: int = 0) -> PushOutcome:
    return PushOutcome(result, head, push.incarnation, push.seq, hydrated)


__all__ = ["Push", "accept_push", "accept_snapshot"]
