"""Messages, turns, receipts, and the stream of a chat."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.chat.messages import user_message
from driftpin.operations.interrupt_turn import interrupt_turn
from driftpin.operations.send_message import send_message
from driftpin.server.access import CurrentListener, CurrentUser, resolve_caller
from driftpin.server.body import JsonBody
from driftpin.server.idempotency import Repeatable
from driftpin.server.parameters import (
    ChatIdPath,
    CursorQuery,
    FlagQuery,
    LimitQuery,
    TurnPath,
    TurnQuery,
)
from driftpin.server.receipt_view import show_receipt
from driftpin.server.replies import message_shape, page_shape, reply, sent_shape, turn_shape
from driftpin.server.services import services_of
from driftpin.server.sse import EVENT_STREAM, STREAM_RESPONSES
from driftpin.server.turn_stream import TurnStream
from driftpin.store.store import Store
from driftpin.store.values import MessageRow, TurnRow
from driftpin.wire import api
from driftpin.wire.receipts import ReceiptShape
from driftpin.wire.transfer import InterruptShape
from driftpin.wire.turns import MessageShape, SendMessageRequest, SentMessageShape, TurnShape

router = APIRouter(prefix="/api/v1/chats/{chat_id}", tags=["messages"])

NewMessage = Annotated[SendMessageRequest, Depends(JsonBody(SendMessageRequest))]


@router.get("/messages", response_model=api.PageShape[MessageShape])
async def list_messages(
    actor: CurrentUser,
    request: Request,
    chat_id: ChatIdPath,
    cursor: CursorQuery = None,
    limit: LimitQuery = limits.API_PAGE_ITEMS_DEFAULT,
    *,
    replaced: FlagQuery = False,
) -> Response:
    """Return the chat's conversation in order; with `replaced` also what has left it."""
    services, purpose = services_of(request), f"messages {actor.name} {chat_id} {replaced}"
    after = services.cursors.read_page(purpose, cursor)
    page = await services.store.list_messages(actor, chat_id, after, limit, with_replaced=replaced)
    return reply(page_shape(page, message_shape, services.cursors.write_page(purpose, page.next)))


@router.post("/messages", response_model=SentMessageShape, status_code=201)
async def add_message(
    actor: CurrentUser,
    request: Request,
    chat_id: ChatIdPath,
    new: NewMessage,
    once: Repeatable,
) -> Response:
    """Store a message; a turn will answer it, at once or behind the one that runs."""
    services, interrupts = services_of(request), new.if_running == "interrupt"

    async def send(store: Store) -> tuple[MessageRow, TurnRow]:
        content = user_message(new.text)
        return await send_message(store, actor, chat_id, content, interrupts=interrupts)

    response = await once.reply(actor, new, send, sent_shape)
    if interrupts and services.workers is not None:
        await services.workers.notice_interrupt(chat_id)
    return response


@router.post("/interrupt", response_model=InterruptShape, status_code=202)
async def interrupt(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Ask the running turn to stop and keep what it has said; 409 `nothing_running` otherwise."""
    services = services_of(request)
    await interrupt_turn(services.store, actor, chat_id)
    if services.workers is not None:
        services.workers.interrupt(chat_id)
    return reply(InterruptShape(chat_id=chat_id, state="interrupting"), status=202)


@router.get("/turns", response_model=api.PageShape[TurnShape])
async def list_turns(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Return the chat's turns in order."""
    rows = await services_of(request).store.list_turns(actor, chat_id)
    items = tuple(turn_shape(row) for row in rows)
    return reply(api.PageShape[TurnShape](items=items, next=None))


@router.get("/turns/{turn}/receipt", response_model=ReceiptShape)
async def get_receipt(
    actor: CurrentUser,
    request: Request,
    chat_id: ChatIdPath,
    turn: TurnPath,
    *,
    prompt: FlagQuery = False,
) -> Response:
    """Return what the model was shown in a turn; with `prompt` also the rendered prefix."""
    store = services_of(request).store
    return reply(await show_receipt(store, actor, chat_id, turn, has_prompt=prompt))


@router.get("/stream", response_class=EVENT_STREAM, responses=STREAM_RESPONSES)
async def stream_chat(
    actor: CurrentListener,
    request: Request,
    chat_id: ChatIdPath,
    turn: TurnQuery = None,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Response:
    """Stream a chat: `turn`, `delta` and `reset`; with `turn` it ends when that turn is over."""
    services = services_of(request)
    recheck = partial(resolve_caller, request)
    stream = TurnStream(services, recheck, actor, chat_id, only_turn=turn)
    await stream.begin(last_event_id)
    return stream.response()


__all__ = ["router"]
