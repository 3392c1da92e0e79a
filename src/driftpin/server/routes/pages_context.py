"""The pages of a chat's context: what is pinned, what has changed, and how the pin moved."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.chat.pinned import PinnedContext, blobs_for_prompt
from driftpin.chat.prompt import render_prompt
from driftpin.context.holds import Selection, held_part
from driftpin.context.manifest import resources_of
from driftpin.errors import Malformed, NotFound
from driftpin.identity import Actor, ChatId, Digest, is_digest
from driftpin.models.offline import CONTEXT_BUDGET_TOKENS
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.release_holds import release_holds
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.server.access import CurrentUser
from driftpin.server.drift_view import Difference, compare_snapshots, read_difference
from driftpin.server.forms import Form, SentForm
from driftpin.server.pages import page, see_other, shell_of
from driftpin.server.parameters import ChatIdPath, CursorQuery
from driftpin.server.pin_view import read_pin_together
from driftpin.server.services import services_of
from driftpin.store.store import Store
from driftpin.store.values import Access, ChatView, PinnedRead
from driftpin.web.chat_views import title_of
from driftpin.web.context_views import ContextShown, pin_line, prompt_shown, resource_lines
from driftpin.web.drift_views import (
    DifferenceShown,
    HeldShown,
    HistoryShown,
    entries_shown,
    held_shown,
    moves_shown,
)

router = APIRouter(prefix="/chats/{chat_id}", include_in_schema=False)

UNIFIED: Final = "unified"
FormQuery = Annotated[str, Query(alias="form", max_length=20)]
SideQuery = Annotated[str, Query(max_length=100)]


@router.get("/context")
async def show_context(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Show everything that is listed in the chat's pin, and the prompt that it makes."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, "Context", chat_id=chat_id)
    chat, pin, entries = await read_pin_together(services.store, actor, chat_id)
    resources = () if pin.manifest is None else resources_of(pin.manifest)
    prompt = render_prompt(
        await _pinned(services.store, actor, pin), budget_tokens=CONTEXT_BUDGET_TOKENS
    )
    view = ContextShown(
        chat_id=chat_id,
        title=title_of(chat.chat),
        pin=pin_line(chat.context),
        resources=resource_lines(resources, entries),
        prompt=prompt_shown(prompt),
        held=await _held(services.store, actor, chat),
        may_update=chat.access is not Access.READ,
    )
    return page(services, "context.html", shell, view)


async def _held(store: Store, actor: Actor, chat: ChatView) -> tuple[HeldShown, ...]:
    """Return what the chat keeps as it is; most keep nothing, and then nothing is read."""
    if not chat.context.held:
        return ()
    read = await store.read_drift(actor, chat.chat.id)
    return held_shown(held_part(read.drift, read.holds))


async def _pinned(store: Store, actor: Actor, pin: PinnedRead) -> PinnedContext | None:
    if pin.snapshot is None or pin.manifest is None:
        return None
    resources = resources_of(pin.manifest)
    wanted = blobs_for_prompt(resources)
    bodies = await store.read_blobs(actor, pin.chat.workspace_id, wanted)
    if bodies.keys() != set(wanted):
        # The chat was taken back since its pin was read.
        raise NotFound
    return PinnedContext(
        snapshot=pin.snapshot.digest,
        prompt_digest=pin.snapshot.prompt_digest,
        revision=pin.revision,
        resources=resources,
        bodies=bodies,
    )


@router.get("/drift")
async def show_drift(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, form: FormQuery = ""
) -> Response:
    """Show what has changed since the chat was pinned, and what a refresh costs."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, "Drift", chat_id=chat_id, tells=True)
    chat = await services.store.get_chat(actor, chat_id)
    read = await services.store.read_drift(actor, chat_id)
    found = await read_difference(
        services.store, actor, chat.chat, read, has_diffs=True, has_cost=True
    )
    view = await asyncio.to_thread(
        _shown, chat, found, is_unified=form == UNIFIED, may_refresh=True
    )
    return page(services, "drift.html", shell, view)


@router.get("/compare")
async def compare(
    actor: CurrentUser,
    request: Request,
    chat_id: ChatIdPath,
    *,
    before: SideQuery,
    after: SideQuery,
    form: FormQuery = "",
) -> Response:
    """Show what lies between any two snapshots that the chat ran on."""
    services = services_of(request)
    shell = await shell_of(services, actor, request, "Compare", chat_id=chat_id, tells=True)
    chat = await services.store.get_chat(actor, chat_id)
    found = await compare_snapshots(services.store, actor, _digest(before), _digest(after))
    view = await asyncio.to_thread(
        _shown, chat, found, is_unified=form == UNIFIED, may_refresh=False
    )
    return page(services, "drift.html", shell, view)


def _shown(
    chat: ChatView, found: Difference, *, is_unified: bool, may_refresh: bool
) -> DifferenceShown:
    return DifferenceShown(
        chat_id=chat.chat.id,
        title=title_of(chat.chat),
        before=found.before,
        after=found.after,
        severity="" if found.drift.severity is None else found.drift.severity.value,
        entries=entries_shown(
            found.drift, found.diffs or (), found.flapping, is_unified=is_unified
        ),
        cost=found.cost,
        is_unified=is_unified,
        is_drift=may_refresh,
        may_refresh=may_refresh and chat.access is not Access.READ,
        revision=chat.context.revision,
        held=held_shown(found.held),
    )


def _digest(text: str) -> Digest:
    if not is_digest(text):
        raise Malformed("A digest is sha256: and 64 lower-case hex digits.", code="bad_hash")
    return Digest(text)


@router.post("/refresh")
async def refresh(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, form: SentForm
) -> Response:
    """Move the pin to the head whose drift was shown, and to no other, or to a part of it."""
    selection = _selection(form)
    await refresh_context(
        services_of(request).store, actor, chat_id, to=form.digest("to"), selection=selection
    )
    is_more_to_see = selection is not None and selection.named
    return see_other(f"/chats/{chat_id}/drift" if is_more_to_see else f"/chats/{chat_id}")


def _selection(form: Form) -> Selection | None:
    """Return what a button stands for: one source taken or held, or all that is not held."""
    accept, hold = form.text("accept"), form.text("hold")
    if accept or hold:
        return Selection(frozenset({accept} - {""}), frozenset({hold} - {""}))
    return Selection(None, frozenset()) if form.text("part") else None


@router.post("/release")
async def release(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, form: SentForm
) -> Response:
    """Let go of a hold; what it kept out is drift again."""
    await release_holds(services_of(request).store, actor, chat_id, [form.text("source")])
    return see_other(f"/chats/{chat_id}/drift")


@router.post("/rollback")
async def roll_back(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, form: SentForm
) -> Response:
    """Move the pin back to a snapshot of the chat's history."""
    await roll_back_context(services_of(request).store, actor, chat_id, form.digest("to"))
    return see_other(f"/chats/{chat_id}")


@router.get("/history")
async def show_history(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, cursor: CursorQuery = None
) -> Response:
    """Show every move of the chat's pin, newest first."""
    services, purpose = services_of(request), f"page of history {actor.name} {chat_id}"
    shell = await shell_of(services, actor, request, "History", chat_id=chat_id)
    chat = await services.store.get_chat(actor, chat_id)
    after = services.cursors.read_page(purpose, cursor)
    found = await services.store.list_history(actor, chat_id, after, limits.API_PAGE_ITEMS_DEFAULT)
    snapshot = chat.context.snapshot
    view = HistoryShown(
        chat_id=ChatId(chat_id),
        title=title_of(chat.chat),
        moves=moves_shown(found.items, actor.name, None if snapshot is None else snapshot.digest),
        may_update=chat.access is not Access.READ,
        next=services.cursors.write_page(purpose, found.next),
    )
    return page(services, "history.html", shell, view)


__all__ = ["router"]
