"""The typed HTTP client: `Client` for users, `AgentClient` for workspace agents.

Both are loaded when they are first asked for: an agent must stay small, and needs nothing of what
describes chats.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from driftpin.client.agent import AgentClient
    from driftpin.client.client import Client


def __getattr__(name: str) -> object:
    match name:
        case "AgentClient":
            from driftpin.client.agent import AgentClient

            return AgentClient
        case "Client":
            from driftpin.client.client import Client

            return Client
        case _:
            raise AttributeError(name)


__all__ = ["AgentClient", "Client"]
