"""A chat's pin as an MCP server over HTTP, for agents of others.

No state is kept between two messages: any replica answers any of them. A client that wants to hear
of moves keeps a stream open, on whichever replica, and goes on behind what it heard last.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request
from sse_starlette.event import ServerSentEvent
from starlette.responses import Response

from driftpin import limits
from driftpin.errors import Forbidden, Malformed
from driftpin.gateway.changes import changed_messages
from driftpin.gateway.visitor import Visitor
from driftpin.identity import Actor, ChatId
from driftpin.server.access import CurrentListener, CurrentUser, resolve_caller
from driftpin.server.body import check_media_type, read_body
from driftpin.server.mcp_door import name_asked_call
from driftpin.server.mcp_exchange import SESSION_HEADER, McpExchange
from driftpin.server.parameters import ChatIdPath
from driftpin.server.pin_moves import PinMoves
from driftpin.server.services import Services, services_of
from driftpin.server.sse import stream_response
from driftpin.wire.json_text import JsonText, parse_json

router = APIRouter(prefix="/mcp", tags=["mcp"], include_in_schema=False)

INITIALIZE: Final = "initialize"
CANCELLED: Final = "notifications/cancelled"
# These hold a connection, and the first of them something in a workspace, for as long as it takes.
LONG_METHODS: Final = frozenset({"tools/call", "subscriptions/listen"})
SessionHeader = Annotated[str | None, Header(alias=SESSION_HEADER)]


@router.post("/chats/{chat_id}")
async def post_message(
    actor: CurrentUser, request: Request, chat_id: ChatIdPath, session: SessionHeader = None
) -> Response:
    """Answer one message of the protocol."""
    services = services_of(request)
    _refuse_foreign_page(request, services)
    view = await services.store.get_chat(actor, chat_id)
    if session is not None:
        services.mcp.check_session(actor, chat_id, session)
    body = await read_body(request, limits.GATEWAY_MESSAGE_BYTES_MAX)
    check_media_type(request)
    message = _message_in(parse_json(body))
    method = str(message.get("method"))
    if method == CANCELLED and session is not None:
        await _take_back(services, actor, chat_id, session, message)
    moves = PinMoves(services, actor, partial(resolve_caller, request), chat_id)
    gateway = await services.mcp.gateway()
    return McpExchange(
        gateway.open(
            Visitor.of(actor, view),
            partial(moves.since, moves.tag_of(view)),
            partial(name_asked_call, session),
        ),
        body,
        place=_place(services, actor, method),
        session=services.mcp.name_session(actor, chat_id) if method == INITIALIZE else None,
    )


@router.get("/chats/{chat_id}")
async def listen(
    actor: CurrentListener,
    request: Request,
    chat_id: ChatIdPath,
    session: SessionHeader = None,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Response:
    """Stream word of every move of the pin, from now on or behind what was heard last."""
    services = services_of(request)
    _refuse_foreign_page(request, services)
    view = await services.store.get_chat(actor, chat_id)
    if session is not None:
        services.mcp.check_session(actor, chat_id, session)
    moves = PinMoves(services, actor, partial(resolve_caller, request), chat_id)
    tag = moves.tag_of(view) if last_event_id is None else last_event_id
    return stream_response(_told(moves, tag), services, actor)


async def _told(moves: PinMoves, tag: str) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(comment="open", id=tag, sep="\n")
    async for following in moves.since(tag):
        *before, last = changed_messages()
        for message in before:
            yield ServerSentEvent(message, event="message", sep="\n")
        yield ServerSentEvent(last, event="message", id=following, sep="\n")


async def _take_back(
    services: Services, actor: Actor, chat_id: ChatId, session: str, message: dict[str, JsonText]
) -> None:
    """Have a call ended that this session asked for, wherever it is under way."""
    parameters = message.get("params")
    if isinstance(parameters, dict):
        call_id = name_asked_call(session, parameters.get("requestId"))
        pin = await services.store.read_pin(actor, chat_id)
        services.mcp.take_back(pin.agent_id, chat_id, call_id)


def _message_in(message: JsonText) -> dict[str, JsonText]:
    if not isinstance(message, dict):
        raise Malformed("Send one message of JSON-RPC, as an object.")
    return message


def _place(services: Services, actor: Actor, method: str) -> AbstractContextManager[None]:
    return services.gate.stream(actor) if method in LONG_METHODS else nullcontext()


def _refuse_foreign_page(request: Request, services: Services) -> None:
    """Refuse a page of another site even with a token: the protocol asks servers to."""
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    rule = services.options.hosts
    if origin is not None and not rule.is_own_origin(origin, host, request.url.scheme):
        raise Forbidden("A page of another site may not do this.", code="csrf")


__all__ = ["router"]
