"""What is done about a turn: its calls are answered, it goes on, or the chat runs again from it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from driftpin.chat.messages import ToolResultPart, user_message
from driftpin.operations.resume_turn import resume_turn
from driftpin.operations.retry_turn import retry_turn
from driftpin.operations.submit_results import submit_results
from driftpin.server.access import CurrentUser
from driftpin.server.body import JsonBody
from driftpin.server.idempotency import Repeatable
from driftpin.server.parameters import ChatIdPath, TurnPath
from driftpin.server.replies import call_shape, reply, sent_shape, turn_shape
from driftpin.server.services import services_of
from driftpin.store.store import Store
from driftpin.store.values import MessageRow, TurnRow
from driftpin.wire.api import PageShape
from driftpin.wire.turns import (
    RetryRequest,
    SentMessageShape,
    SubmitResultsRequest,
    ToolCallShape,
    TurnShape,
)

router = APIRouter(prefix="/api/v1/chats/{chat_id}/turns", tags=["turns"])

Submitted = Annotated[SubmitResultsRequest, Depends(JsonBody(SubmitResultsRequest))]
Retry = Annotated[RetryRequest, Depends(JsonBody(RetryRequest))]


@router.post("/{turn}/resume", response_model=TurnShape, status_code=202)
async def resume(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, turn: TurnPath
) -> Response:
    """Go on with the chat's last turn, which failed, from its last committed step."""
    services = services_of(request)
    resumed = await resume_turn(services.store, actor, chat_id, turn)
    return reply(turn_shape(resumed), status=202)


@router.post("/{turn}/retry", response_model=SentMessageShape, status_code=201)
async def retry(
    actor: CurrentUser,
    chat_id: ChatIdPath,
    turn: TurnPath,
    *,
    asked: Retry,
    once: Repeatable,
) -> Response:
    """Run the chat again from a turn that ended; it and all behind it leave the conversation."""
    content = None if asked.text is None else user_message(asked.text)

    async def run_again(store: Store) -> tuple[MessageRow, TurnRow]:
        return await retry_turn(store, actor, chat_id, turn, content)

    return await once.reply(actor, asked, run_again, sent_shape)


@router.get("/{turn}/calls", response_model=PageShape[ToolCallShape])
async def list_calls(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, turn: TurnPath
) -> Response:
    """Return the calls of a turn; those that are `asked` are the client's to carry out."""
    rows = await services_of(request).store.list_tool_calls(actor, chat_id, turn)
    items = tuple(call_shape(row) for row in rows)
    return reply(PageShape[ToolCallShape](items=items, next=None))


@router.post("/{turn}/results", response_model=TurnShape, status_code=201)
async def add_results(
    actor: CurrentUser,
    chat_id: ChatIdPath,
    turn: TurnPath,
    *,
    submitted: Submitted,
    once: Repeatable,
) -> Response:
    """Take results of calls that the client was asked for; with the last the turn goes on."""
    results = tuple(
        ToolResultPart(
            each.call_id,
            "",
            each.content,
            is_error=each.is_error,
            code="client_error" if each.is_error else "",
        )
        for each in submitted.results
    )

    async def submit(store: Store) -> TurnRow:
        return await submit_results(store, actor, chat_id, turn, results)

    return await once.reply(actor, submitted, submit, turn_shape)


__all__ = ["router"]
