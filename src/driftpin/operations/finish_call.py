"""A call to an agent is over."""

import json
from dataclasses import dataclass
from typing import Any

from driftpin import limits
from driftpin.identity import Actor, CallId
from driftpin.store.access import require_worker
from driftpin.store.call_values import CallState
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.agent_calls import close_call


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended: with a result, or with the code and text of why there is none."""

    result: Any = None
    error_code: str | None = None
    error_text: str | None = None
    is_unknown: bool = False


async def finish_call(store: Store, actor: Actor, call_id: CallId, end: CallEnd) -> CallEnd:
    """Write down how a started call ended, and return what was written; for workers.

    A result that is no JSON, or is too large, is a failure of the agent's.
    """
    require_worker(actor)
    kept, written = _kept(end)

    async def operation(transaction: Transaction) -> None:
        await close_call(
            transaction,
            call_id,
            was=CallState.STARTED,
            state=CallState.UNKNOWN if kept.is_unknown else CallState.DONE,
            result=written,
            error_code=kept.error_code,
            error_text=kept.error_text,
        )

    await store.database.write(operation)
    return kept


def _kept(end: CallEnd) -> tuple[CallEnd, str | None]:
    if end.error_code is not None:
        text = (end.error_text or "")[: limits.AGENT_CALL_ERROR_CHARACTERS_MAX]
        return CallEnd(None, end.error_code, text, end.is_unknown), None
    try:
        written = json.dumps(end.result, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        return CallEnd(None, "bad_answer", "The agent's answer is no JSON."), None
    if len(written) > limits.AGENT_CALL_RESULT_BYTES_MAX:
        return CallEnd(None, "answer_too_large", "The agent's answer is too large."), None
    return end, written


__all__ = ["CallEnd", "finish_call"]
