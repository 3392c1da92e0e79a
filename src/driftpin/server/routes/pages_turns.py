"""The page of one chat: its turns, what is being said, and everything that a person does there."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.chat.messages import user_message
from driftpin.context.manifest import resources_of
from driftpin.errors import Conflict, NotFound
from driftpin.identity import Actor, ChatId
from driftpin.operations.fork_chat import fork_chat
from driftpin.operations.interrupt_turn import interrupt_turn
from driftpin.operations.resume_turn import resume_turn
from driftpin.operations.retry_turn import retry_turn
from driftpin.operations.send_message import send_message
from driftpin.server.access import CurrentUser
from driftpin.server.forms import SentForm
from driftpin.server.pages import page, see_other, shell_of
from driftpin.server.parameters import ChatIdPath, TurnPath
from driftpin.server.pin_view import read_pin_together
from driftpin.server.receipt_view import show_receipt
from driftpin.server.services import Services, services_of
from driftpin.store.store import Store
from driftpin.store.values import MessageRow, TurnRow, TurnState
from driftpin.web.chat_views import ChatShown, Turn, chat_shown, turn_shown
from driftpin.web.context_views import resource_lines
from driftpin.web.receipt_views import receipt_shown
from driftpin.web.site import Shell

router = APIRouter(include_in_schema=False)

FirstQuery = Annotated[int | None, Query(ge=0, le=limits.TURN_NUMBER_MAX)]


@router.get("/chats/{chat_id}")
async def show_chat(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, first: FirstQuery = None
) -> Response:
    """Show a chat with its newest turns, or with those from `first` on."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, "Chat", chat_id=chat_id)
    view = await _chat(services, actor, chat_id, first)
    return page(services, "chat.html", _titled(shell, view.title), view)


@router.get("/chats/{chat_id}/turns/{turn}/words")
async def show_words(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, turn: TurnPath
) -> Response:
    """Show one turn as it is at this moment, as a piece of the page of its chat."""
    services = services_of(request)
    rows = await services.store.list_turns(actor, chat_id, first=turn)
    row = next((row for row in rows if row.number == turn), None)
    if row is None:
        raise NotFound
    (shown,) = await _turns(services, actor, chat_id, (row,))
    return page(services, "words.html", Shell(""), shown)


@router.get("/chats/{chat_id}/turns/{turn}")
async def show_turn(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, turn: TurnPath
) -> Response:
    """Show the receipt of a turn: what each request to the model was built from."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, f"Receipt of turn {turn}", chat_id=chat_id)
    chat = await services.store.get_chat(actor, chat_id)
    receipt = await show_receipt(services.store, actor, chat_id, turn, has_prompt=True)
    contents = tuple(entry.content for entry in receipt.entries)
    view = receipt_shown(
        chat.chat,
        turn,
        contents,
        is_chain_whole=receipt.is_chain_whole,
        prompt=receipt.prompt,
        missing=receipt.prompt_missing,
    )
    return page(services, "receipt.html", shell, view)


@router.post("/chats/{chat_id}/messages")
async def send(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, form: SentForm
) -> Response:
    """Send a message: behind the turn that runs, or, to `interrupt`, instead of it."""
    services, interrupts = services_of(request), form.text("when") == "interrupt"
    content = user_message(form.text("text"))
    await send_message(services.store, actor, chat_id, content, interrupts=interrupts)
    if interrupts and services.workers is not None:
        await services.workers.notice_interrupt(chat_id)
    return see_other(f"/chats/{chat_id}")


@router.post("/chats/{chat_id}/resume")
async def resume(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, form: SentForm
) -> Response:
    """Go on with the chat's last turn, which failed."""
    services = services_of(request)
    await resume_turn(services.store, actor, chat_id, form.turn("turn"))
    return see_other(f"/chats/{chat_id}")


@router.post("/chats/{chat_id}/retry")
async def retry(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, form: SentForm
) -> Response:
    """Run the chat again from a turn; it and all behind it leave the conversation."""
    services = services_of(request)
    await retry_turn(services.store, actor, chat_id, form.turn("turn"), None)
    return see_other(f"/chats/{chat_id}")


@router.post("/chats/{chat_id}/interrupt")
async def interrupt(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Stop the running turn; it keeps what it has said."""
    services = services_of(request)
    try:
        await interrupt_turn(services.store, actor, chat_id)
    except Conflict as refusal:
        # It ended by itself meanwhile, and then there is nothing left to wish for.
        if refusal.code != "nothing_running":
            raise
    if services.workers is not None:
        services.workers.interrupt(chat_id)
    return see_other(f"/chats/{chat_id}")


@router.post("/chats/{chat_id}/fork")
async def fork(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, form: SentForm
) -> Response:
    """Start a chat from the end of a turn, and go there."""
    store = services_of(request).store
    made = await fork_chat(store, actor, chat_id, form.turn("turn"))
    return see_other(f"/chats/{made.chat.id}")


async def _chat(services: Services, actor: Actor, chat_id: ChatId, first: int | None) -> ChatShown:
    store = services.store
    view, pin, entries = await read_pin_together(store, actor, chat_id)
    turns = await store.list_turns(actor, chat_id)
    rows = tuple(row for row in turns if row.replaced_by is None)
    begin = max(0, len(rows) - limits.PAGE_TURNS_MAX)
    if first is not None:
        begin = min(begin, sum(row.number < first for row in rows))
    shown = rows[begin : begin + limits.PAGE_TURNS_MAX]
    moves = await store.list_history(actor, chat_id, None, 1)
    resources = () if pin.manifest is None else resources_of(pin.manifest)
    return chat_shown(
        view,
        await _turns(services, actor, chat_id, shown),
        resource_lines(resources, entries),
        moves.items,
        earlier=rows[max(0, begin - limits.PAGE_TURNS_MAX)].number if begin else None,
        has_later=begin + limits.PAGE_TURNS_MAX < len(rows),
    )


async def _turns(
    services: Services, actor: Actor, chat_id: ChatId, rows: tuple[TurnRow, ...]
) -> tuple[Turn, ...]:
    """Return turns with their words.

    Messages are read before what streams: what is committed in between is then still shown as
    streaming, and never left out.
    """
    if not rows:
        return ()
    messages = await _messages(services.store, actor, chat_id, rows[0].number, rows[-1].number)
    chunks = {
        row.number: await services.store.get_stream_chunks(actor, chat_id, row.number, (0, -1))
        for row in rows
        if row.state is TurnState.RUNNING
    }
    markdown = services.site.markdown
    return tuple(turn_shown(row, messages, chunks.get(row.number, ()), markdown) for row in rows)


async def _messages(
    store: Store, actor: Actor, chat_id: ChatId, first: int, last: int
) -> tuple[MessageRow, ...]:
    found: list[MessageRow] = []
    after: str | None = None
    while True:
        read = await store.list_messages(
            actor, chat_id, after, limits.API_PAGE_ITEMS_MAX, first_turn=first
        )
        found += [message for message in read.items if message.turn <= last]
        after = read.next
        if after is None or read.items[-1].turn > last:
            return tuple(found)


def _titled(shell: Shell, title: str) -> Shell:
    return replace(shell, title=title)


__all__ = ["router"]
