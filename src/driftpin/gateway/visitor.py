"""Who asks for which chat's pin, and what of it that caller may use."""

from dataclasses import dataclass

from driftpin.identity import Actor, ChatId, WorkspaceId
from driftpin.store.values import Access, ChatView


@dataclass(frozen=True, slots=True)
class Visitor:
    """A caller who may see a chat, as it was when the request came."""

    actor: Actor
    chat_id: ChatId
    workspace_id: WorkspaceId
    may_update: bool

    @classmethod
    def of(cls, actor: Actor, view: ChatView) -> "Visitor":
        """Return the visitor for a chat as the actor sees it; an archived one is only read."""
        chat = view.chat
        may_update = view.access is not Access.READ and chat.archived_at is None
        return cls(actor, chat.id, chat.workspace_id, may_update)


__all__ = ["Visitor"]
