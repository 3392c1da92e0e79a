"""Receipts that leave the server: a chat's signed export, and the key that verifies it."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from driftpin.server.access import CurrentUser
from driftpin.server.parameters import ChatIdPath
from driftpin.server.receipt_view import export_receipts, show_receipt_key
from driftpin.server.replies import reply
from driftpin.server.services import services_of
from driftpin.wire.receipts import ReceiptKeyShape

router = APIRouter(prefix="/api/v1", tags=["receipts"])

JSON_LINES: Final = "application/jsonl"
EXPORT_HEADERS: Final = {"Content-Disposition": 'attachment; filename="receipts.jsonl"'}
EXPORT_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A header, one line per entry, and the signature over what stands above.",
        "content": {JSON_LINES: {"schema": {"type": "string"}}},
    }
}


@router.get("/chats/{chat_id}/receipts", response_class=Response, responses=EXPORT_RESPONSES)
async def get_receipts(actor: CurrentUser, request: Request, chat_id: ChatIdPath) -> Response:
    """Return every receipt of the chat in one document, signed with the server's key."""
    document = await export_receipts(services_of(request).store, actor, chat_id)
    return Response(document, media_type=JSON_LINES, headers=EXPORT_HEADERS)


@router.get("/receipt-key", response_model=ReceiptKeyShape)
async def get_receipt_key(_actor: CurrentUser, request: Request) -> Response:
    """Return the public half of the key that signs exports of receipts."""
    return reply(await show_receipt_key(services_of(request).store))


__all__ = ["router"]
