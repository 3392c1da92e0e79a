"""Requests of a turn on their way: each stands between two entries of the chat's receipts."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from driftpin.chat.compaction import Compaction
from driftpin.chat.messages import Message, as_sent
from driftpin.chat.receipts import Outcome, ReceiptEntry
from driftpin.errors import DriftpinError
from driftpin.identity import WORKER
from driftpin.models.port import Model
from driftpin.operations.begin_request import begin_request
from driftpin.operations.commit_answer import commit_answer
from driftpin.runner.requests import Prepared, record_of
from driftpin.runner.streaming import Answer, AnswerCollector
from driftpin.store.leases import LeaseLost, TurnLease
from driftpin.store.store import Store
from driftpin.store.turn_values import StreamedText

# What a receipt says of a failure that is no refusal.
INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends the requests of one turn; `is_stopping` tells whether the turn was asked to stop."""

    store: Store
    model: Model
    lease: TurnLease
    is_stopping: Callable[[], bool]

    async def send(
        self, prepared: Prepared, collector: AnswerCollector, *, keeps_words: bool = True
    ) -> tuple[ReceiptEntry, Answer]:
        """Return the answer with the entry that its outcome follows, which the caller commits.

        A request that is stopped or that fails has its outcome written here.
        """
        sent = await begin_request(
            self.store,
            WORKER,
            self.lease,
            prepared.record,
            revision=prepared.pin.revision,
            snapshot_id=prepared.snapshot_id,
        )
        try:
            with self.store.database.spans.span("model request"):
                return sent, await collector.collect(self.model.stream(prepared.request))
        except asyncio.CancelledError:
            # Only a stop is written down; a worker that goes away leaves the turn to the next.
            if self.is_stopping():
                words = collector.words() if keeps_words else None
                await asyncio.shield(
                    self._keep_end(prepared, sent, Outcome.INTERRUPTED, words=words)
                )
            raise
        except LeaseLost:
            raise
        except Exception as failure:
            # A fault of our own has no code.
            code = failure.code if isinstance(failure, DriftpinError) else INTERNAL
            await self._keep_end(prepared, sent, Outcome.FAILED, error_code=code)
            raise

    async def keep(
        self,
        prepared: Prepared,
        sent: ReceiptEntry,
        answer: Answer,
        *,
        unkept: StreamedText | None = None,
        compaction: Compaction | None = None,
    ) -> None:
        """Commit an answer; one that summed messages up is kept as a `compaction`, not shown.

        An answer that calls nothing ends the turn with it.
        """
        await commit_answer(
            self.store,
            WORKER,
            self.lease,
            sent,
            snapshot_id=prepared.snapshot_id,
            message=answer.message if compaction is None else None,
            outcome=Outcome.ANSWERED,
            tokens=answer.tokens,
            unkept=unkept,
            compaction=compaction,
            ends_turn=compaction is None and not answer.message.calls,
        )

    async def sum_up(
        self, prepared: Prepared, question: Message, following: Compaction
    ) -> Compaction:
        """Ask the model to write down what is about to leave, and keep it."""
        request = replace(prepared.request, tools=(), messages=as_sent((question,)), volatile="")
        number = prepared.record.number
        record = record_of(
            self.lease,
            number,
            self.model,
            prepared.pin,
            request,
            policy=prepared.record.policy,
            purpose="compaction",
        )
        asked = replace(prepared, request=request, record=record)
        collector = AnswerCollector(_keep_nothing, 0, frozenset())
        sent, answer = await self.send(asked, collector, keeps_words=False)
        summed_up = replace(following, summary=answer.message.text)
        await self.keep(asked, sent, answer, compaction=summed_up)
        return summed_up

    async def _keep_end(
        self,
        prepared: Prepared,
        sent: ReceiptEntry,
        outcome: Outcome,
        *,
        words: Message | None = None,
        error_code: str = "",
    ) -> None:
        """Write into the receipt how a request without a whole answer ended."""
        await commit_answer(
            self.store,
            WORKER,
            self.lease,
            sent,
            snapshot_id=prepared.snapshot_id,
            message=words,
            outcome=outcome,
            error_code=error_code,
        )


async def _keep_nothing(batch: StreamedText) -> None:
    """Show nobody what a model writes down for itself."""


__all__ = ["INTERNAL", "Sender"]
