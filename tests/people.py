"""Callers of every kind, for tests of who may do what."""

from dataclasses import dataclass

from driftpin.identity import Actor, AgentId, UserId, WorkspaceId


@dataclass(frozen=True, slots=True)
class People:
    """Callers of every kind: the owner has the workspace and its agent; `other` has nothing."""

    owner: Actor
    other: Actor
    administrator: Actor
    agent: Actor
    foreign_agent: Actor
    workspace_id: WorkspaceId
    foreign_workspace_id: WorkspaceId

    @property
    def owner_id(self) -> UserId:
        """The owner's id."""
        assert self.owner.user_id is not None
        return self.owner.user_id

    @property
    def other_id(self) -> UserId:
        """The id of the user who has nothing."""
        assert self.other.user_id is not None
        return self.other.user_id

    @property
    def agent_id(self) -> AgentId:
        """The id of the owner's agent."""
        assert self.agent.agent_id is not None
        return self.agent.agent_id

    @property
    def foreign_agent_id(self) -> AgentId:
        """The id of the administrator's agent."""
        assert self.foreign_agent.agent_id is not None
        return self.foreign_agent.agent_id
