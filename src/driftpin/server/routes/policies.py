"""Policies of workspaces and chats: what the start of a turn does where pin and head differ."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from driftpin.context.policies import ALL_PINNED, NOTHING_SET, PolicySet
from driftpin.identity import Actor, ChatId, WorkspaceId
from driftpin.operations.set_chat_policies import set_chat_policies
from driftpin.operations.set_workspace_policies import set_workspace_policies
from driftpin.server.access import CurrentUser
from driftpin.server.body import JsonBody
from driftpin.server.parameters import ChatIdPath, WorkspaceIdPath
from driftpin.server.policy_view import (
    chat_policies_shape,
    policy_set_of,
    workspace_policies_shape,
)
from driftpin.server.replies import reply
from driftpin.server.services import services_of
from driftpin.store.store import Store
from driftpin.wire.policies import ChatPoliciesShape, PoliciesRequest, WorkspacePoliciesShape

router = APIRouter(prefix="/api/v1", tags=["policies"])

Wished = Annotated[PoliciesRequest, Depends(JsonBody(PoliciesRequest))]
OF_CHAT = "/chats/{chat_id}/policies"
OF_WORKSPACE = "/workspaces/{workspace_id}/policies"


@router.get(OF_CHAT, response_model=ChatPoliciesShape)
async def get_chat_policies(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Return the policies of a chat: what is set for it, and what is in force."""
    view = await services_of(request).store.get_chat(actor, chat_id)
    return reply(chat_policies_shape(view.context))


@router.put(OF_CHAT, response_model=ChatPoliciesShape)
async def put_chat_policies(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, wished: Wished
) -> Response:
    """Set the policies of a chat; the reply says what its next turn does with them."""
    store = services_of(request).store
    return await _set_for_chat(store, actor, chat_id, policy_set_of(wished), is_dry=wished.dry_run)


@router.delete(OF_CHAT, response_model=ChatPoliciesShape)
async def remove_chat_policies(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath
) -> Response:
    """Leave the policies of a chat to its workspace."""
    return await _set_for_chat(services_of(request).store, actor, chat_id, NOTHING_SET)


async def _set_for_chat(
    store: Store, actor: Actor, chat_id: ChatId, policies: PolicySet, *, is_dry: bool = False
) -> Response:
    outcomes = await set_chat_policies(store, actor, chat_id, policies, dry_run=is_dry)
    view = await store.get_chat(actor, chat_id)
    return reply(chat_policies_shape(view.context, outcomes, is_dry=is_dry))


@router.get(OF_WORKSPACE, response_model=WorkspacePoliciesShape)
async def get_workspace_policies(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath
) -> Response:
    """Return the policies of a workspace."""
    row = await services_of(request).store.get_workspace(actor, workspace_id)
    return reply(workspace_policies_shape(row.policies))


@router.put(OF_WORKSPACE, response_model=WorkspacePoliciesShape)
async def put_workspace_policies(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath, wished: Wished
) -> Response:
    """Set the policies of a workspace; the reply says what its chats' next turns do with them."""
    store = services_of(request).store
    return await _set_for_workspace(
        store, actor, workspace_id, policy_set_of(wished), is_dry=wished.dry_run
    )


@router.delete(OF_WORKSPACE, response_model=WorkspacePoliciesShape)
async def remove_workspace_policies(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath
) -> Response:
    """Set a workspace's policy back to `pin`."""
    return await _set_for_workspace(services_of(request).store, actor, workspace_id, ALL_PINNED)


async def _set_for_workspace(
    store: Store,
    actor: Actor,
    workspace_id: WorkspaceId,
    policies: PolicySet,
    *,
    is_dry: bool = False,
) -> Response:
    outcomes = await set_workspace_policies(store, actor, workspace_id, policies, dry_run=is_dry)
    row = await store.get_workspace(actor, workspace_id)
    return reply(workspace_policies_shape(row.policies, outcomes, is_dry=is_dry))


__all__ = ["router"]
