"""A chat's context after a verb that moves pins, or a dry run of one, with what moved."""

from starlette.responses import Response

from driftpin.identity import Actor
from driftpin.server.drift_replies import move_shape
from driftpin.server.pin_view import read_pin_together
from driftpin.server.replies import context_fields, etag_of, reply, resource_shapes
from driftpin.server.services import Services
from driftpin.store.values import PinMove
from driftpin.wire.moves import MovedContextShape


async def moved_reply(
    services: Services, actor: Actor, move: PinMove, *, is_dry: bool = False
) -> Response:
    """Return what the chat runs on now, and every pin that moved or would have moved."""
    view, pin, entries = await read_pin_together(services.store, actor, move.chat_id)
    shape = MovedContextShape(
        **context_fields(view.context),
        resources=resource_shapes(pin.manifest, entries),
        dry_run=is_dry,
        moves=tuple(map(move_shape, (move, *move.below))),
    )
    return reply(shape, headers={"ETag": etag_of(view.context, services.cursors.epoch)})


__all__ = ["moved_reply"]
