"""The socket of one agent's link.

The handler loops on `receive`, so that it notices when its agent leaves; whatever else it does runs
beside that loop and ends with it.
"""

import asyncio
from contextlib import ExitStack

import structlog
from starlette.websockets import WebSocket

from driftpin import limits
from driftpin.errors import (
    DriftpinError,
    Forbidden,
    Malformed,
    PushOutdated,
    Rejected,
)
from driftpin.identity import Actor, ActorKind
from driftpin.operations.agent_lock import refuse_locked
from driftpin.server.access import resolve_caller, secret_digest_of
from driftpin.server.links import AgentLink
from driftpin.server.problems import response_of
from driftpin.server.services import Services, services_of
from driftpin.wire.link import (
    CLOSE_BAD_MESSAGE,
    CLOSE_NOT_BINARY,
    INCARNATION_HEADER,
)

log = structlog.get_logger(__name__)


async def serve_link(socket: WebSocket) -> None:
    """Hold a link until either side ends it; what may not connect gets a problem instead.

    Every replica knows of the link before its agent does.
    """
    services = services_of(socket)
    with ExitStack() as places:
        try:
            actor, incarnation = await _admit(socket, services)
            places.enter_context(services.gate.stream(actor))
            assert actor.agent_id is not None, "an agent has an id"
            link = AgentLink(socket, actor.agent_id, incarnation, secret_digest_of(socket))
            places.callback(services.links.discard, link)
            await services.links.adopt(link)
            await services.link_keeper.hold(link, actor)
        except DriftpinError as refusal:
            await socket.send_denial_response(response_of(refusal))
            return
        await _serve(socket, services, link)


async def _serve(socket: WebSocket, services: Services, link: AgentLink) -> None:
    log.info("link_up", agent_id=link.agent_id, incarnation=link.incarnation)
    try:
        await socket.accept()
        link.open()
        await _receive_until_left(socket, services, link)
    finally:
        services.links.discard(link)
        await asyncio.shield(services.link_keeper.release(link))
        log.info("link_down", agent_id=link.agent_id)


async def _admit(socket: WebSocket, services: Services) -> tuple[Actor, int | None]:
    """Return who links, and which run of it; browsers have no business here."""
    if "origin" in socket.headers or "cookie" in socket.headers:
        raise Forbidden("This socket is for agents, not for browsers.", code="browser_refused")
    actor = await resolve_caller(socket)
    if actor.kind is not ActorKind.AGENT or actor.agent_id is None:
        raise Forbidden("This call takes the token of agents.", code="wrong_token_type")
    incarnation = _incarnation(socket)
    agent = await services.store.get_agent(actor, actor.agent_id)
    if incarnation is not None and incarnation < agent.incarnation:
        raise PushOutdated("A newer run of this agent has taken over.", code="fenced")
    refuse_locked(agent.locked_at)
    return actor, incarnation


def _incarnation(socket: WebSocket) -> int | None:
    sent = socket.headers.get(INCARNATION_HEADER)
    if sent is None:
        return None
    if not (sent.isascii() and sent.isdigit() and len(sent) <= len(str(limits.SEQ_MAX))):
        raise Malformed(f"{INCARNATION_HEADER} is a number.")
    return int(sent)


async def _receive_until_left(socket: WebSocket, services: Services, link: AgentLink) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        content = message.get("bytes")
        if content is None:
            await socket.close(CLOSE_NOT_BINARY, "not_binary")
            return
        try:
            note = link.settle(content)
        except Rejected as refusal:
            await socket.close(CLOSE_BAD_MESSAGE, refusal.code)
            return
        if note is not None:
            services.calls.hear(link.agent_id, note)


__all__ = ["serve_link"]
