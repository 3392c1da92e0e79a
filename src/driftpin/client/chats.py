"""Calls about chats: what they are, what they run on, what is said in them."""

from driftpin import limits
from driftpin.client.calls import Calls
from driftpin.client.workspaces import V1
from driftpin.wire import api
from driftpin.wire.drift import DriftShape, HistoryEntryShape, HoldShape
from driftpin.wire.moves import ForeseenShape, MovedContextShape
from driftpin.wire.policies import ChatPoliciesShape, PoliciesRequest
from driftpin.wire.receipts import ReceiptKeyShape, ReceiptShape
from driftpin.wire.transfer import ExportShape, InterruptShape
from driftpin.wire.turns import (
    MessageShape,
    RetryRequest,
    SendMessageRequest,
    SentMessageShape,
    SubmitResultsRequest,
    ToolCallShape,
    TurnShape,
)

CHATS = f"{V1}/chats"


class ChatCalls(Calls):
    """The part of the client for one chat."""

    async def list_chats(
        self,
        *,
        workspace_id: str | None = None,
        is_dirty: bool | None = None,
        is_archived: bool | None = False,
        text: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int = limits.API_PAGE_ITEMS_DEFAULT,
    ) -> api.PageShape[api.ChatShape]:
        """Return one page of the chats that fit; None for a filter takes all of them."""
        query = {
            "workspace": workspace_id,
            "dirty": is_dirty,
            "archived": "all" if is_archived is None else is_archived,
            "q": text,
            "sort": sort,
            "cursor": cursor,
            "limit": limit,
        }
        return await self._transport.call("GET", CHATS, api.PageShape[api.ChatShape], query=query)

    async def create_chat(
        self, request: api.CreateChatRequest, *, key: str | None = None
    ) -> api.ChatShape:
        """Create a chat; with a `key` the same call may be sent again."""
        headers = None if key is None else {"Idempotency-Key": key}
        return await self._transport.call(
            "POST", CHATS, api.ChatShape, body=request, headers=headers
        )

    async def get_chat(self, chat_id: str) -> api.ChatShape:
        """Return a chat."""
        return await self._transport.call("GET", f"{CHATS}/{chat_id}", api.ChatShape)

    async def update_chat(self, chat_id: str, request: api.UpdateChatRequest) -> api.ChatShape:
        """Change title, archiving or policy."""
        return await self._transport.call(
            "PATCH", f"{CHATS}/{chat_id}", api.ChatShape, body=request
        )

    async def get_chat_policies(self, chat_id: str) -> ChatPoliciesShape:
        """Return the policies of a chat."""
        return await self._transport.call("GET", f"{CHATS}/{chat_id}/policies", ChatPoliciesShape)

    async def set_chat_policies(self, chat_id: str, request: PoliciesRequest) -> ChatPoliciesShape:
        """Set the policies of a chat; what is not set is left to its workspace."""
        path = f"{CHATS}/{chat_id}/policies"
        return await self._transport.call("PUT", path, ChatPoliciesShape, body=request)

    async def remove_chat_policies(self, chat_id: str) -> ChatPoliciesShape:
        """Leave the policies of a chat to its workspace."""
        path = f"{CHATS}/{chat_id}/policies"
        return await self._transport.call("DELETE", path, ChatPoliciesShape)

    async def delete_chat(self, chat_id: str) -> None:
        """Delete a chat."""
        await self._transport.send("DELETE", f"{CHATS}/{chat_id}")

    async def fork_chat(self, chat_id: str, request: api.ForkRequest) -> api.ChatShape:
        """Start a chat from the end of a turn."""
        return await self._transport.call(
            "POST", f"{CHATS}/{chat_id}/fork", api.ChatShape, body=request
        )

    async def list_shares(self, chat_id: str) -> tuple[api.ShareShape, ...]:
        """Return with whom a chat is shared."""
        return await self._all(f"{CHATS}/{chat_id}/shares", api.ShareShape)

    async def share_chat(
        self, chat_id: str, request: api.ShareRequest
    ) -> tuple[api.ShareShape, ...]:
        """Share a chat, and return with whom it is shared now."""
        page = await self._transport.call(
            "PUT", f"{CHATS}/{chat_id}/shares", api.PageShape[api.ShareShape], body=request
        )
        return page.items

    async def unshare_chat(self, chat_id: str, user_id: str) -> None:
        """End a share."""
        await self._transport.send("DELETE", f"{CHATS}/{chat_id}/shares/{user_id}")

    async def get_context(self, chat_id: str) -> api.FullContextShape:
        """Return everything that is listed in a chat's pin."""
        return await self._transport.call("GET", f"{CHATS}/{chat_id}/context", api.FullContextShape)

    async def get_drift(
        self, chat_id: str, *, has_diff: bool = False, has_cost: bool = False
    ) -> DriftShape:
        """Return what lies between a chat's pin and its head."""
        return await self._transport.call(
            "GET",
            f"{CHATS}/{chat_id}/context/drift",
            DriftShape,
            query={"diff": has_diff, "cost": has_cost},
        )

    async def refresh_context(
        self, chat_id: str, request: api.RefreshRequest, *, if_match: str | None = None
    ) -> MovedContextShape:
        """Move a chat's pin to its head, or to a part of it."""
        headers = None if if_match is None else {"If-Match": if_match}
        return await self._transport.call(
            "PUT",
            f"{CHATS}/{chat_id}/context",
            MovedContextShape,
            body=request,
            headers=headers,
        )

    async def foresee_refresh(self, chat_id: str, request: api.RefreshRequest) -> ForeseenShape:
        """Return what a refresh would do, and move nothing."""
        return await self._transport.call(
            "PUT",
            f"{CHATS}/{chat_id}/context",
            ForeseenShape,
            body=request.model_copy(update={"dry_run": True}),
        )

    async def list_holds(self, chat_id: str) -> tuple[HoldShape, ...]:
        """Return what a chat keeps as it is."""
        return await self._all(f"{CHATS}/{chat_id}/context/holds", HoldShape)

    async def release_holds(
        self, chat_id: str, request: api.ReleaseRequest
    ) -> api.PageShape[HoldShape]:
        """Let go of holds, and return what the chat still holds."""
        path = f"{CHATS}/{chat_id}/context/release"
        return await self._transport.call("POST", path, api.PageShape[HoldShape], body=request)

    async def roll_back_context(
        self, chat_id: str, request: api.RollbackRequest
    ) -> MovedContextShape:
        """Move a chat's pin back to an earlier snapshot of its own."""
        path = f"{CHATS}/{chat_id}/context/rollback"
        return await self._transport.call("POST", path, MovedContextShape, body=request)

    async def rebind_chat(self, chat_id: str, request: api.RebindRequest) -> MovedContextShape:
        """Bind a chat to an agent of its workspace."""
        path = f"{CHATS}/{chat_id}/context/rebind"
        return await self._transport.call("POST", path, MovedContextShape, body=request)

    async def list_history(self, chat_id: str) -> tuple[HistoryEntryShape, ...]:
        """Return every move of a chat's pin, oldest first."""
        moves = await self._all(f"{CHATS}/{chat_id}/context/history", HistoryEntryShape)
        return moves[::-1]

    async def export_pin(self, chat_id: str) -> ExportShape:
        """Return a whole pin with its bytes."""
        return await self._transport.call("GET", f"{CHATS}/{chat_id}/export", ExportShape)

    async def list_messages(self, chat_id: str) -> tuple[MessageShape, ...]:
        """Return a chat's messages in order."""
        return await self._all(f"{CHATS}/{chat_id}/messages", MessageShape)

    async def send_message(
        self, chat_id: str, request: SendMessageRequest, *, key: str | None = None
    ) -> SentMessageShape:
        """Send a message; with a `key` the same call may be sent again."""
        headers = None if key is None else {"Idempotency-Key": key}
        path = f"{CHATS}/{chat_id}/messages"
        return await self._transport.call(
            "POST", path, SentMessageShape, body=request, headers=headers
        )

    async def interrupt_chat(self, chat_id: str) -> InterruptShape:
        """Ask the running turn to stop."""
        return await self._transport.call("POST", f"{CHATS}/{chat_id}/interrupt", InterruptShape)

    async def list_calls(self, chat_id: str, turn: int) -> tuple[ToolCallShape, ...]:
        """Return the calls of a turn; those that are `asked` are this client's to carry out."""
        return await self._all(f"{CHATS}/{chat_id}/turns/{turn}/calls", ToolCallShape)

    async def submit_results(
        self, chat_id: str, turn: int, request: SubmitResultsRequest, *, key: str | None = None
    ) -> TurnShape:
        """Post results of calls; with a `key` the same call may be sent again."""
        headers = None if key is None else {"Idempotency-Key": key}
        path = f"{CHATS}/{chat_id}/turns/{turn}/results"
        return await self._transport.call("POST", path, TurnShape, body=request, headers=headers)

    async def resume_turn(self, chat_id: str, turn: int) -> TurnShape:
        """Go on with the chat's last turn, which failed."""
        path = f"{CHATS}/{chat_id}/turns/{turn}/resume"
        return await self._transport.call("POST", path, TurnShape)

    async def retry_turn(
        self, chat_id: str, turn: int, request: RetryRequest, *, key: str | None = None
    ) -> SentMessageShape:
        """Run the chat again from a turn; with a `key` the same call may be sent again."""
        headers = None if key is None else {"Idempotency-Key": key}
        path = f"{CHATS}/{chat_id}/turns/{turn}/retry"
        return await self._transport.call(
            "POST", path, SentMessageShape, body=request, headers=headers
        )

    async def list_turns(self, chat_id: str) -> tuple[TurnShape, ...]:
        """Return a chat's turns in order."""
        return await self._all(f"{CHATS}/{chat_id}/turns", TurnShape)

    async def get_receipt(
        self, chat_id: str, turn: int, *, has_prompt: bool = False
    ) -> ReceiptShape:
        """Return what the model was shown in a turn."""
        path = f"{CHATS}/{chat_id}/turns/{turn}/receipt"
        return await self._transport.call("GET", path, ReceiptShape, query={"prompt": has_prompt})

    async def export_receipts(self, chat_id: str) -> bytes:
        """Return every receipt of a chat as one signed document (`chat.receipt_export`)."""
        return await self._transport.send("GET", f"{CHATS}/{chat_id}/receipts")

    async def get_receipt_key(self) -> ReceiptKeyShape:
        """Return the public half of the key that the server signs exports with."""
        return await self._transport.call("GET", f"{V1}/receipt-key", ReceiptKeyShape)


__all__ = ["CHATS", "ChatCalls"]
