"""One request to a model, ready to be sent, and what its receipt will say of it."""

from dataclasses import dataclass

from driftpin.chat.compaction import COMPACTED, Compaction
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.prompt import LeftOut
from driftpin.chat.receipts import RequestRecord, Setting, digests_of_request, settings_record
from driftpin.identity import ChatId
from driftpin.models.port import Model, ModelRequest
from driftpin.store.leases import TurnLease
from driftpin.store.values import ContextSummary, PinnedRead

# Says in a receipt what a request was for that was not to answer the user.
PURPOSE = "purpose"


@dataclass(frozen=True, slots=True)
class Prepared:
    """One request, ready to be sent, and what its receipt will say."""

    pin: PinnedRead
    context: PinnedContext | None
    request: ModelRequest
    record: RequestRecord

    @property
    def snapshot_id(self) -> int | None:
        """The stored snapshot that the request is built from."""
        return None if self.pin.snapshot is None else self.pin.snapshot.id


def record_of(
    lease: TurnLease,
    number: int,
    model: Model,
    pin: PinnedRead,
    request: ModelRequest,
    *,
    policy: str,
    compaction: Compaction | None = None,
    purpose: str = "",
) -> RequestRecord:
    """Return what the receipt says of a request; messages that left are left out with the rest.

    `policy` says which policies were in force.
    """
    prompt, snapshot = request.prompt, pin.snapshot
    digests = digests_of_request(prompt, request.tools, request.messages, request.volatile)
    settings: dict[str, Setting] = {**request.settings.record()}
    if purpose:
        settings[PURPOSE] = purpose
    return RequestRecord(
        chat_id=ChatId(lease.chat_id),
        turn=lease.turn,
        number=number,
        snapshot=None if snapshot is None else snapshot.digest,
        prompt_digest=None if snapshot is None else snapshot.prompt_digest,
        revision=None if snapshot is None else pin.revision,
        policy=policy,
        prefix=digests.prefix,
        tools=digests.tools,
        messages=digests.messages,
        volatile=digests.volatile,
        model=model.name,
        settings=settings_record(settings),
        budget_tokens=model.context_budget_tokens,
        left_out=(*prompt.left_out, *_messages_left_out(compaction)),
        renderer_version=prompt.renderer_version,
    )


def _messages_left_out(compaction: Compaction | None) -> tuple[LeftOut, ...]:
    if compaction is None:
        return ()
    return (LeftOut(f"messages:1-{compaction.count}", COMPACTED, compaction.tokens),)


def drift_note(context: ContextSummary) -> str:
    """Say in a line that the workspace has moved on, without a time, which would always change."""
    if not context.dirty:
        return ""
    return f"the workspace has changed since this context was pinned ({context.severity})"


__all__ = ["PURPOSE", "Prepared", "drift_note", "record_of"]
