"""An agent hears at once of what was decided about the servers of its workspace."""

import structlog

from driftpin.errors import Unavailable
from driftpin.identity import Actor, WorkspaceId
from driftpin.server.services import Services

log = structlog.get_logger(__name__)


async def tell_agent(services: Services, actor: Actor, workspace_id: WorkspaceId) -> None:
    """Tell the workspace's agent, if it is there: else it asks when it comes, and now and then."""
    workspace = await services.store.get_workspace(actor, workspace_id)
    if workspace.current_agent_id is None:
        return
    try:
        await services.calls.call(actor, workspace.current_agent_id, "mcp.approved", {})
    except Unavailable as refusal:
        log.info("approval_not_told", agent_id=workspace.current_agent_id, code=refusal.code)


__all__ = ["tell_agent"]
