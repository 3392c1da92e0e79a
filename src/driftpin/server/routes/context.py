"""What a chat runs on: its pin, its drift, and the verbs that move it."""

import binascii
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.context.holds import Selection, holds_in_force
from driftpin.context.manifest import resources_of
from driftpin.context.resource import InstructionBody, Resource, SkillBody, Status
from driftpin.errors import Conflict, PreconditionFailed
from driftpin.identity import Actor, AgentId, ChatId, Digest
from driftpin.operations.foresee_refresh import foresee_refresh
from driftpin.operations.rebind_chat import rebind_chat
from driftpin.operations.refresh_context import Refresh as AskedRefresh
from driftpin.operations.refresh_context import refresh_context
from driftpin.operations.release_holds import release_holds
from driftpin.operations.roll_back_context import roll_back_context
from driftpin.server.access import CurrentUser
from driftpin.server.body import JsonBody
from driftpin.server.drift_replies import history_shape, hold_shape
from driftpin.server.drift_view import read_difference, shape_foreseen
from driftpin.server.move_view import moved_reply
from driftpin.server.parameters import ChatIdPath, CursorQuery, FlagQuery, IfMatch, LimitQuery
from driftpin.server.pin_view import LOOKS_MAX, pin_moving, read_pin_together
from driftpin.server.replies import (
    context_fields,
    etag_of,
    page_shape,
    reply,
    resource_shapes,
)
from driftpin.server.services import Services, services_of
from driftpin.store.store import Store
from driftpin.wire import api
from driftpin.wire.drift import DriftShape, HistoryEntryShape, HoldShape
from driftpin.wire.moves import ForeseenShape, MovedContextShape
from driftpin.wire.transfer import ExportedFileShape, ExportShape

router = APIRouter(prefix="/api/v1/chats/{chat_id}", tags=["context"])

Refresh = Annotated[api.RefreshRequest, Depends(JsonBody(api.RefreshRequest, may_be_empty=True))]
Rollback = Annotated[api.RollbackRequest, Depends(JsonBody(api.RollbackRequest))]
Release = Annotated[api.ReleaseRequest, Depends(JsonBody(api.ReleaseRequest, may_be_empty=True))]
Rebind = Annotated[api.RebindRequest, Depends(JsonBody(api.RebindRequest, may_be_empty=True))]


@router.get("/context", response_model=api.FullContextShape)
async def get_context(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Return everything that is listed in the chat's pin, without bodies."""
    services = services_of(request)
    view, pin, entries = await read_pin_together(services.store, actor, chat_id)
    shape = api.FullContextShape(
        **context_fields(view.context), resources=resource_shapes(pin.manifest, entries)
    )
    return reply(shape, headers={"ETag": etag_of(view.context, services.cursors.epoch)})


@router.put("/context", response_model=MovedContextShape | ForeseenShape)
async def put_context(
    actor: CurrentUser,
    request: Request,
    chat_id: ChatIdPath,
    refresh: Refresh,
    if_match: IfMatch = None,
) -> Response:
    """Move the pin to the head, or to the part of it that is chosen.

    With `dry_run` nothing moves, the answer says what would, and the refusals are the same.
    """
    services = services_of(request)
    store = services.store
    try:
        to = None if refresh.to is None else Digest(refresh.to)
        revision = await _matched_revision(services, actor, chat_id, if_match)
        selection = _selection_of(refresh)
        if refresh.dry_run:
            asked = AskedRefresh(to, revision, selection, refresh.cascade, refresh.now)
            foreseen = await foresee_refresh(store, actor, chat_id, asked)
            return reply(await shape_foreseen(store, actor, foreseen))
        move = await refresh_context(
            store,
            actor,
            chat_id,
            to=to,
            if_match_revision=revision,
            selection=selection,
            cascade=refresh.cascade,
            now=refresh.now,
        )
    except PreconditionFailed as refusal:
        view = await store.get_chat(actor, chat_id)
        refusal.fields["etag"] = etag_of(view.context, services.cursors.epoch)
        raise
    return await moved_reply(services, actor, move)


def _selection_of(refresh: api.RefreshRequest) -> Selection | None:
    """Return which part of the head is asked for; None for all of it."""
    if refresh.accept is None and refresh.hold is None:
        return None
    return Selection(
        None if refresh.accept is None else frozenset(refresh.accept),
        None if refresh.hold is None else frozenset(refresh.hold),
    )


async def _matched_revision(
    services: Services, actor: Actor, chat_id: ChatId, if_match: str | None
) -> int | None:
    """Return the revision that the pin must still have; None if any will do."""
    if if_match is None or if_match.strip() == "*":
        return None
    view = await services.store.get_chat(actor, chat_id)
    tags = {tag.strip() for tag in if_match.split(",")}
    if etag_of(view.context, services.cursors.epoch) not in tags:
        raise PreconditionFailed("The pin has moved since you read it; read it again.")
    return view.context.revision


@router.post("/context/rollback", response_model=MovedContextShape)
async def roll_back(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, rollback: Rollback
) -> Response:
    """Move the pin back to a snapshot of the chat's history; it stays there until a refresh."""
    services = services_of(request)
    move = await roll_back_context(
        services.store, actor, chat_id, Digest(rollback.to), dry_run=rollback.dry_run
    )
    return await moved_reply(services, actor, move, is_dry=rollback.dry_run)


@router.post("/context/rebind", response_model=MovedContextShape)
async def rebind(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, rebinding: Rebind
) -> Response:
    """Bind the chat to another agent of its workspace; the pin follows in the same transaction."""
    services = services_of(request)
    agent_id = None if rebinding.agent_id is None else AgentId(rebinding.agent_id)
    move = await rebind_chat(services.store, actor, chat_id, agent_id, dry_run=rebinding.dry_run)
    return await moved_reply(services, actor, move, is_dry=rebinding.dry_run)


@router.get("/context/drift", response_model=DriftShape)
async def get_drift(
    actor: CurrentUser,
    request: Request,
    chat_id: ChatIdPath,
    *,
    diff: FlagQuery = False,
    cost: FlagQuery = False,
) -> Response:
    """Return what lies between the chat's pin and its head; diffs and cost if asked for."""
    store = services_of(request).store
    view = await store.get_chat(actor, chat_id)
    read = await store.read_drift(actor, chat_id)
    found = await read_difference(store, actor, view.chat, read, has_diffs=diff, has_cost=cost)
    return reply(found.shape())


@router.get("/context/holds", response_model=api.PageShape[HoldShape])
async def list_holds(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Return what the chat keeps as it is, by source, and which of it is in force."""
    return await _holds_reply(services_of(request).store, actor, chat_id)


@router.post("/context/release", response_model=api.PageShape[HoldShape])
async def release(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, releasing: Release
) -> Response:
    """Let go of holds, of the named sources or of all; what they kept out is drift again."""
    store = services_of(request).store
    await release_holds(store, actor, chat_id, releasing.sources)
    return await _holds_reply(store, actor, chat_id)


async def _holds_reply(store: Store, actor: Actor, chat_id: ChatId) -> Response:
    held = await store.list_holds(actor, chat_id)
    read = await store.read_drift(actor, chat_id)
    in_force = holds_in_force(read.drift, read.holds)
    shapes = (hold_shape(row, is_in_force=row.source in in_force) for row in held)
    return reply(api.PageShape[HoldShape](items=tuple(shapes), next=None))


@router.get("/context/history", response_model=api.PageShape[HistoryEntryShape])
async def list_history(
    actor: CurrentUser,
    request: Request,
    chat_id: ChatIdPath,
    cursor: CursorQuery = None,
    limit: LimitQuery = limits.API_PAGE_ITEMS_DEFAULT,
) -> Response:
    """Return every move of the chat's pin, newest first."""
    services, purpose = services_of(request), f"history {actor.name} {chat_id}"
    after = services.cursors.read_page(purpose, cursor)
    page = await services.store.list_history(actor, chat_id, after, limit)
    return reply(page_shape(page, history_shape, services.cursors.write_page(purpose, page.next)))


@router.get("/export", response_model=ExportShape)
async def export_pin(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Return the whole pin with its bytes; everything comes from one read of the pin."""
    store = services_of(request).store
    for _ in range(LOOKS_MAX):
        exported = await _try_to_export(store, actor, chat_id)
        if exported is not None:
            return reply(exported)
    raise pin_moving()


async def _try_to_export(store: Store, actor: Actor, chat_id: ChatId) -> ExportShape | None:
    """Return the pin with its bytes; None if the caller may no longer read all of them.

    Then the pin has moved on, or the chat was taken back, which the next look tells.
    """
    pin = await store.read_pin(actor, chat_id)
    if pin.snapshot is None or pin.manifest is None:
        raise Conflict("This chat has no pin yet.", code="no_snapshot")
    files = [file for resource in resources_of(pin.manifest) for file in _files_of(resource)]
    digests = {digest for _, _, _, digest in files}
    bodies = await store.read_blobs(actor, pin.chat.workspace_id, digests)
    if bodies.keys() != digests:
        return None
    return ExportShape(
        chat_id=chat_id,
        revision=pin.revision,
        snapshot=pin.snapshot.digest,
        manifest=_base64(pin.manifest),
        files=tuple(
            ExportedFileShape(
                source=source,
                path=path,
                executable=executable,
                digest=digest,
                data=_base64(bodies[digest]),
            )
            for source, path, executable, digest in files
        ),
    )


def _files_of(resource: Resource) -> list[tuple[str, str, bool, Digest]]:
    match resource.body:
        case InstructionBody(digest=digest):
            return [(resource.source, "", False, digest)]
        case SkillBody(files=files):
            return [
                (resource.source, file.path, file.executable, file.digest)
                for file in files
                if file.status is Status.OK and file.digest is not None
            ]
        case _:
            return []


def _base64(content: bytes) -> str:
    return binascii.b2a_base64(content, newline=False).decode("ascii")


__all__ = ["router"]
