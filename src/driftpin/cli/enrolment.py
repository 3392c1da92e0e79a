"""A directory's workspace and agent on a server: those of the last time, or new ones."""

from pathlib import Path

from driftpin.agent.names import shown_name
from driftpin.cli.remembered import KnownDirectory, Remembered
from driftpin.client import Client
from driftpin.errors import Gone, NotFound
from driftpin.identity import AgentId, WorkspaceId
from driftpin.wire.api import CreateAgentRequest, CreateWorkspaceRequest

_NAME_CHARACTERS_MAX = 100


async def ensure_enrolled(
    client: Client, remembered: Remembered, directory: Path
) -> tuple[KnownDirectory, str]:
    """Return the directory's workspace and agent, and the agent's token; enrol what is missing.

    A workspace that is still there keeps its chats: only its agent is made anew.
    """
    known = remembered.find_directory(directory)
    token = remembered.find_agent_token(directory)
    workspace_id = None
    if known is not None and token is not None:
        try:
            workspace_id = (await client.get_workspace(known.workspace_id)).id
            agent_shown = await client.get_agent(known.agent_id)
        except (NotFound, Gone):
            pass
        else:
            if agent_shown.locked_at is None:
                return known, token
            # Whoever starts it again has seen that, and decides for this directory.
            token = (await client.renew_agent_token(known.agent_id)).token
            remembered.keep_directory(known, token)
            return known, token
    name = _shown_name(directory)
    if workspace_id is None:
        workspace_id = (await client.create_workspace(CreateWorkspaceRequest(name=name))).id
    agent = await client.enrol_agent(workspace_id, CreateAgentRequest(name=name))
    enrolled = KnownDirectory(directory, WorkspaceId(workspace_id), AgentId(agent.id))
    remembered.keep_directory(enrolled, agent.token)
    return enrolled, agent.token


def _shown_name(directory: Path) -> str:
    """Return the directory's name as it may be stored and shown."""
    name = shown_name(directory.name)
    return name[:_NAME_CHARACTERS_MAX] or "workspace"


__all__ = ["ensure_enrolled"]
