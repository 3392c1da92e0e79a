"""What programs that speak MCP may do with a pin, done as the API does it."""

from dataclasses import dataclass
from typing import Any

from driftpin.gateway.visitor import Visitor
from driftpin.identity import Digest
from driftpin.operations.foresee_refresh import foresee_refresh
from driftpin.operations.refresh_context import Refresh, refresh_context
from driftpin.server.drift_view import read_difference, shape_foreseen
from driftpin.server.replies import context_shape
from driftpin.store.store import Store


@dataclass(frozen=True, slots=True)
class PinVerbs:
    """The verbs of `gateway.context_tools`, over the store."""

    store: Store

    async def status(self, visitor: Visitor) -> dict[str, Any]:
        """Tell what the pin is, and whether and how badly the head differs."""
        view = await self.store.get_chat(visitor.actor, visitor.chat_id)
        told: dict[str, Any] = context_shape(view.context).model_dump(mode="json")
        return {"chat_id": visitor.chat_id, **told}

    async def diff(self, visitor: Visitor, *, has_texts: bool) -> dict[str, Any]:
        """Tell what differs, with the texts or without."""
        view = await self.store.get_chat(visitor.actor, visitor.chat_id)
        read = await self.store.read_drift(visitor.actor, visitor.chat_id)
        found = await read_difference(
            self.store, visitor.actor, view.chat, read, has_diffs=has_texts, has_cost=True
        )
        told: dict[str, Any] = found.shape().model_dump(mode="json", by_alias=True)
        return told

    async def refresh(self, visitor: Visitor, to: Digest, *, dry_run: bool) -> dict[str, Any]:
        """Move the pin to that head, or only look; tell what the pin is then."""
        told: dict[str, Any] = {"dry_run": dry_run}
        if dry_run:
            asked = Refresh(to=to)
            found = await foresee_refresh(self.store, visitor.actor, visitor.chat_id, asked)
            shape = await shape_foreseen(self.store, visitor.actor, found)
            told |= {"moved": found.moves, "foreseen": shape.model_dump(mode="json")}
        else:
            move = await refresh_context(self.store, visitor.actor, visitor.chat_id, to=to)
            told |= {"moved": move.moved}
        return {**told, **await self.status(visitor)}


__all__ = ["PinVerbs"]
