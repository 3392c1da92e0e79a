"""Calls about the caller, users, tokens, workspaces and agents."""

from driftpin.client.calls import Calls
from driftpin.wire import api
from driftpin.wire.approvals import DecisionRequest, ServerShape
from driftpin.wire.drift import DriftShape
from driftpin.wire.moves import RefreshManyRequest, RefreshOutcomeShape
from driftpin.wire.policies import PoliciesRequest, WorkspacePoliciesShape
from driftpin.wire.signing_in import LoginLinkShape, SetPasswordRequest
from driftpin.wire.transfer import SyncRequest, SyncShape

V1 = "/api/v1"


class WorkspaceCalls(Calls):
    """The part of the client for everything that is not about one chat."""

    async def get_server(self) -> api.ServerShape:
        """Return who the server is; needs no token."""
        return await self._transport.call("GET", V1, api.ServerShape)

    async def get_me(self) -> api.WhoAmIShape:
        """Return the caller."""
        return await self._transport.call("GET", f"{V1}/me", api.WhoAmIShape)

    async def list_users(self) -> tuple[api.UserShape, ...]:
        """Return the users whom the caller may see."""
        return await self._all(f"{V1}/users", api.UserShape)

    async def create_user(self, request: api.CreateUserRequest) -> api.UserShape:
        """Create a user; administrators only."""
        return await self._transport.call("POST", f"{V1}/users", api.UserShape, body=request)

    async def list_tokens(self) -> tuple[api.TokenShape, ...]:
        """Return the caller's tokens and those of its agents."""
        return await self._all(f"{V1}/tokens", api.TokenShape)

    async def create_token(self, request: api.CreateTokenRequest) -> api.CreatedTokenShape:
        """Create a token for the caller or, as an administrator, for the user that is named."""
        return await self._transport.call(
            "POST", f"{V1}/tokens", api.CreatedTokenShape, body=request
        )

    async def revoke_token(self, token_id: str) -> None:
        """Revoke a token."""
        await self._transport.send("DELETE", f"{V1}/tokens/{token_id}")

    async def set_password(self, user_id: str, request: SetPasswordRequest) -> None:
        """Set a user's password and end the sessions that it had."""
        await self._transport.send("PUT", f"{V1}/users/{user_id}/password", body=request)

    async def create_login_link(self) -> LoginLinkShape:
        """Make a link that signs a browser in as the caller, once and soon."""
        return await self._transport.call("POST", f"{V1}/login-links", LoginLinkShape)

    async def list_workspaces(self) -> tuple[api.WorkspaceShape, ...]:
        """Return the caller's workspaces, oldest first."""
        return await self._all(f"{V1}/workspaces", api.WorkspaceShape)

    async def create_workspace(self, request: api.CreateWorkspaceRequest) -> api.WorkspaceShape:
        """Create a workspace."""
        return await self._transport.call(
            "POST", f"{V1}/workspaces", api.WorkspaceShape, body=request
        )

    async def get_workspace(self, workspace_id: str) -> api.WorkspaceShape:
        """Return a workspace."""
        return await self._transport.call(
            "GET", f"{V1}/workspaces/{workspace_id}", api.WorkspaceShape
        )

    async def delete_workspace(self, workspace_id: str) -> None:
        """Delete a workspace with its agents."""
        await self._transport.send("DELETE", f"{V1}/workspaces/{workspace_id}")

    async def list_agents(self, workspace_id: str) -> tuple[api.AgentShape, ...]:
        """Return a workspace's agents."""
        return await self._all(f"{V1}/workspaces/{workspace_id}/agents", api.AgentShape)

    async def enrol_agent(
        self, workspace_id: str, request: api.CreateAgentRequest
    ) -> api.CreatedAgentShape:
        """Enrol an agent; the answer has its token."""
        path = f"{V1}/workspaces/{workspace_id}/agents"
        return await self._transport.call("POST", path, api.CreatedAgentShape, body=request)

    async def get_agent(self, agent_id: str) -> api.AgentShape:
        """Return an agent."""
        return await self._transport.call("GET", f"{V1}/agents/{agent_id}", api.AgentShape)

    async def renew_agent_token(self, agent_id: str) -> api.CreatedAgentShape:
        """Give an agent a new token; a locked agent is unlocked with it."""
        path = f"{V1}/agents/{agent_id}/token"
        return await self._transport.call("POST", path, api.CreatedAgentShape)

    async def delete_agent(self, agent_id: str) -> None:
        """Delete an agent; pins that came from it stay."""
        await self._transport.send("DELETE", f"{V1}/agents/{agent_id}")

    async def resync_agent(self, agent_id: str) -> api.AgentShape:
        """Have the agent look anew; returns when what it found was accepted."""
        return await self._transport.call("POST", f"{V1}/agents/{agent_id}/resync", api.AgentShape)

    async def list_approvals(self, workspace_id: str) -> tuple[ServerShape, ...]:
        """Return the MCP servers of a workspace with what was decided about them."""
        return await self._all(f"{V1}/workspaces/{workspace_id}/approvals", ServerShape)

    async def decide_server(
        self, workspace_id: str, identity: str, request: DecisionRequest
    ) -> tuple[ServerShape, ...]:
        """Allow or deny a server; return how all of them stand then."""
        path = f"{V1}/workspaces/{workspace_id}/approvals/{identity}"
        page = await self._transport.call("PUT", path, api.PageShape[ServerShape], body=request)
        return page.items

    async def withdraw_decision(self, workspace_id: str, identity: str) -> None:
        """Take a decision about a server back."""
        path = f"{V1}/workspaces/{workspace_id}/approvals/{identity}"
        await self._transport.send("DELETE", path)

    async def get_workspace_context(self, workspace_id: str) -> api.WorkspaceContextShape:
        """Return the head of a workspace."""
        path = f"{V1}/workspaces/{workspace_id}/context"
        return await self._transport.call("GET", path, api.WorkspaceContextShape)

    async def get_sync(self) -> SyncShape:
        """Return whether pushes of all agents are paused."""
        return await self._transport.call("GET", f"{V1}/sync", SyncShape)

    async def set_sync(self, *, is_paused: bool) -> SyncShape:
        """Pause or resume pushes of all agents; administrators only."""
        wish = SyncRequest(paused=is_paused)
        return await self._transport.call("PUT", f"{V1}/sync", SyncShape, body=wish)

    async def refresh_workspace(
        self, workspace_id: str, request: RefreshManyRequest | None = None
    ) -> tuple[RefreshOutcomeShape, ...]:
        """Refresh every dirty chat of the caller there; one outcome for each."""
        path = f"{V1}/workspaces/{workspace_id}/context/refresh"
        page = await self._transport.call(
            "POST", path, api.PageShape[RefreshOutcomeShape], body=request
        )
        return page.items

    async def get_workspace_policies(self, workspace_id: str) -> WorkspacePoliciesShape:
        """Return the policies of a workspace."""
        path = f"{V1}/workspaces/{workspace_id}/policies"
        return await self._transport.call("GET", path, WorkspacePoliciesShape)

    async def set_workspace_policies(
        self, workspace_id: str, request: PoliciesRequest
    ) -> WorkspacePoliciesShape:
        """Set the policies of a workspace."""
        path = f"{V1}/workspaces/{workspace_id}/policies"
        return await self._transport.call("PUT", path, WorkspacePoliciesShape, body=request)

    async def remove_workspace_policies(self, workspace_id: str) -> WorkspacePoliciesShape:
        """Set a workspace's policy back to `pin`."""
        path = f"{V1}/workspaces/{workspace_id}/policies"
        return await self._transport.call("DELETE", path, WorkspacePoliciesShape)

    async def import_snapshot(
        self, workspace_id: str, request: api.ImportSnapshotRequest
    ) -> api.SnapshotShape:
        """Store a snapshot that is not a head."""
        path = f"{V1}/workspaces/{workspace_id}/snapshots"
        return await self._transport.call("POST", path, api.SnapshotShape, body=request)

    async def get_manifest(self, digest: str) -> bytes:
        """Return the manifest of a snapshot, byte for byte as it is hashed."""
        return await self._transport.send("GET", f"{V1}/snapshots/{digest}")

    async def get_difference(self, before: str, after: str) -> DriftShape:
        """Return what lies between two snapshots."""
        path = f"{V1}/snapshots/{before}/diff/{after}"
        return await self._transport.call("GET", path, DriftShape)

    async def get_blob(self, digest: str) -> bytes:
        """Return the bytes that a digest names."""
        return await self._transport.send("GET", f"{V1}/blobs/{digest}")

    async def list_uses(self, digest: str) -> tuple[api.UseShape, ...]:
        """Return every place in pins of your chats that names these bytes, newest chats first."""
        return await self._all(f"{V1}/blobs/{digest}/uses", api.UseShape)


__all__ = ["V1", "WorkspaceCalls"]
