"""Setting policies on the pages of a chat and of a workspace."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from driftpin.context.policies import Policy, PolicySet
from driftpin.context.resource import Kind
from driftpin.errors import Malformed
from driftpin.operations.set_chat_policies import set_chat_policies
from driftpin.operations.set_workspace_policies import set_workspace_policies
from driftpin.server.access import CurrentUser
from driftpin.server.forms import Form, SentForm
from driftpin.server.pages import see_other
from driftpin.server.parameters import ChatIdPath, WorkspaceIdPath
from driftpin.server.services import services_of
from driftpin.web.policy_views import EVERYTHING

router = APIRouter(include_in_schema=False)


@router.post("/chats/{chat_id}/policies")
async def set_for_chat(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, form: SentForm
) -> Response:
    """Set the policies of a chat."""
    await set_chat_policies(services_of(request).store, actor, chat_id, _policies_in(form))
    return see_other(f"/chats/{chat_id}")


@router.post("/workspaces/{workspace_id}/policies")
async def set_for_workspace(
    actor: CurrentUser, request: Request, workspace_id: WorkspaceIdPath, form: SentForm
) -> Response:
    """Set the policies of a workspace."""
    store = services_of(request).store
    await set_workspace_policies(store, actor, workspace_id, _policies_in(form))
    return see_other(f"/workspaces/{workspace_id}")


def _policies_in(form: Form) -> PolicySet:
    kinds = {kind: _policy(form, kind.value) for kind in Kind}
    return PolicySet(
        _policy(form, EVERYTHING),
        {kind: policy for kind, policy in kinds.items() if policy is not None},
    )


def _policy(form: Form, name: str) -> Policy | None:
    """Return what was chosen; None for nothing."""
    chosen = form.text(name)
    if chosen and chosen not in tuple(Policy):
        raise Malformed(f"A policy is one of {', '.join(Policy)}.", code="bad_policy")
    return Policy(chosen) if chosen else None


__all__ = ["router"]
