"""Chats, their shares, their forks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from driftpin import limits
from driftpin.chat.options import ChatOptions
from driftpin.chat.tools import ToolDefinition
from driftpin.errors import Malformed
from driftpin.identity import ChatId, Digest, UserId, WorkspaceId
from driftpin.operations.create_chat import OFFLINE_MODEL, create_chat
from driftpin.operations.delete_chat import delete_chat
from driftpin.operations.fork_chat import fork_chat
from driftpin.operations.share_chat import share_chat
from driftpin.operations.unshare_chat import unshare_chat
from driftpin.operations.update_chat import update_chat
from driftpin.server.access import CurrentUser
from driftpin.server.body import JsonBody
from driftpin.server.idempotency import Repeatable
from driftpin.server.parameters import (
    ChatIdPath,
    CursorQuery,
    LimitQuery,
    OptionalFlagQuery,
    UserIdPath,
    WorkspaceQuery,
)
from driftpin.server.replies import chat_shape, etag_of, page_shape, reply, share_shape
from driftpin.server.services import services_of
from driftpin.store.store import Store
from driftpin.store.values import Access, ChatView, Policy
from driftpin.wire import api

router = APIRouter(prefix="/api/v1/chats", tags=["chats"])

NewChat = Annotated[api.CreateChatRequest, Depends(JsonBody(api.CreateChatRequest))]
Changes = Annotated[api.UpdateChatRequest, Depends(JsonBody(api.UpdateChatRequest))]
Fork = Annotated[api.ForkRequest, Depends(JsonBody(api.ForkRequest))]
Share = Annotated[api.ShareRequest, Depends(JsonBody(api.ShareRequest))]


@router.get("", response_model=api.PageShape[api.ChatShape])
async def list_chats(
    actor: CurrentUser,
    request: Request,
    *,
    workspace: WorkspaceQuery = None,
    dirty: OptionalFlagQuery = None,
    archived: OptionalFlagQuery = False,
    q: Annotated[str | None, Query(max_length=limits.TITLE_CHARACTERS_MAX)] = None,
    sort: Annotated[str | None, Query()] = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = limits.API_PAGE_ITEMS_DEFAULT,
) -> Response:
    """Return the chats that the caller may read; `q` is looked for in titles, as it stands."""
    services = services_of(request)
    purpose = repr(("chats", actor.name, workspace, dirty, archived, q, sort))
    after = services.cursors.read_page(purpose, cursor)
    order = {} if sort is None else {"sort": sort}
    page = await services.store.list_chats(
        actor,
        workspace_id=workspace,
        is_dirty=dirty,
        is_archived=archived,
        text=q,
        after=after,
        limit=limit,
        **order,
    )
    return reply(page_shape(page, chat_shape, services.cursors.write_page(purpose, page.next)))


@router.post("", response_model=api.ChatShape, status_code=201)
async def add_chat(actor: CurrentUser, new: NewChat, once: Repeatable) -> Response:
    """Create a chat; it is pinned at once if its workspace has a head."""

    async def create(store: Store) -> ChatView:
        return await create_chat(
            store,
            actor,
            WorkspaceId(new.workspace_id),
            title=new.title or "",
            parent_id=None if new.parent_id is None else ChatId(new.parent_id),
            snapshot=None if new.snapshot is None else Digest(new.snapshot),
            model=new.model or OFFLINE_MODEL,
            sources=new.sources,
            options=ChatOptions(
                tools=tuple(
                    ToolDefinition(tool.name, tool.description, tool.parameters)
                    for tool in new.tools
                ),
                may_spawn=new.may_spawn,
                role=new.role or "",
            ),
        )

    return await once.reply(actor, new, create, chat_shape)


@router.get("/{chat_id}", response_model=api.ChatShape)
async def get_chat(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Return a chat with its context in short."""
    services = services_of(request)
    view = await services.store.get_chat(actor, chat_id)
    tag = etag_of(view.context, services.cursors.epoch)
    return reply(chat_shape(view), headers={"ETag": tag})


@router.patch("/{chat_id}", response_model=api.ChatShape)
async def change_chat(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, changes: Changes
) -> Response:
    """Change title, archiving or policy; what is absent stays."""
    store = services_of(request).store
    if "archived" in changes.model_fields_set and changes.archived is None:
        raise Malformed("archived is true or false.", pointer="/archived")
    view = await update_chat(
        store,
        actor,
        chat_id,
        title=changes.title,
        is_archived=changes.archived,
        policy=None if changes.policy is None else Policy(changes.policy),
    )
    return reply(chat_shape(view))


@router.delete("/{chat_id}", status_code=204)
async def remove_chat(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Delete a chat with its messages and history; for its owner."""
    await delete_chat(services_of(request).store, actor, chat_id)
    return Response(status_code=204)


@router.post("/{chat_id}/fork", response_model=api.ChatShape, status_code=201)
async def add_fork(
    actor: CurrentUser, chat_id: ChatIdPath, fork: Fork, once: Repeatable
) -> Response:
    """Start a chat from the end of a turn, with the pin that the turn ran on."""

    async def create(store: Store) -> ChatView:
        return await fork_chat(store, actor, chat_id, fork.turn, title=fork.title)

    return await once.reply(actor, fork, create, chat_shape)


@router.get("/{chat_id}/shares", response_model=api.PageShape[api.ShareShape])
async def list_shares(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Return with whom a chat is shared; for its owner."""
    rows = await services_of(request).store.list_shares(actor, chat_id)
    items = tuple(share_shape(row) for row in rows)
    return reply(api.PageShape[api.ShareShape](items=items, next=None))


@router.put("/{chat_id}/shares", response_model=api.PageShape[api.ShareShape])
async def put_share(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, share: Share
) -> Response:
    """Share a chat with a user, or change what it may do; its `user:` files are shared too."""
    store = services_of(request).store
    await share_chat(store, actor, chat_id, UserId(share.user_id), Access(share.access))
    rows = await store.list_shares(actor, chat_id)
    items = tuple(share_shape(row) for row in rows)
    return reply(api.PageShape[api.ShareShape](items=items, next=None))


@router.delete("/{chat_id}/shares/{user_id}", status_code=204)
async def remove_share(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, user_id: UserIdPath
) -> Response:
    """End a share; streams that it opened end with it."""
    await unshare_chat(services_of(request).store, actor, chat_id, user_id)
    return Response(status_code=204)


__all__ = ["router"]
