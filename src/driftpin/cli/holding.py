"""What a chat holds: shown, and let go of."""

from collections.abc import Sequence
from typing import Final

from driftpin.cli import output
from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.pin_pages import instant_text
from driftpin.cli.session import Session, in_session
from driftpin.errors import UsageError
from driftpin.wire.api import ChatShape, ReleaseRequest
from driftpin.wire.drift import HoldShape

COLUMNS: Final = ("source", "held off", "in force", "by", "since")


def show(reach: Reach, name: str, *, as_json: bool) -> None:
    """Show what the chat holds."""

    async def read(session: Session) -> tuple[ChatShape, tuple[HoldShape, ...]]:
        chat = await session.get_chat(name)
        return chat, await session.client.list_holds(chat.id)

    _show(*in_session(reach, read), as_json=as_json)


def release(reach: Reach, name: str, sources: Sequence[str], *, as_json: bool) -> None:
    """Let go of these holds, or of all; raises UsageError for a source that is not held."""

    async def act(session: Session) -> tuple[ChatShape, tuple[HoldShape, ...]]:
        chat = await session.get_chat(name)
        held = {hold.source for hold in await session.client.list_holds(chat.id)}
        unheld = sorted(set(sources) - held)
        if unheld:
            raise UsageError(
                f"The chat does not hold {unheld[0]!r}; see `driftpin holds`.", code="not_held"
            )
        request = ReleaseRequest(sources=tuple(sources) or None)
        return chat, (await session.client.release_holds(chat.id, request)).items

    _show(*in_session(reach, act), as_json=as_json)


def _show(chat: ChatShape, held: Sequence[HoldShape], *, as_json: bool) -> None:
    if as_json:
        output.write_json({"chat_id": chat.id, "holds": held})
        return
    output.write_table(COLUMNS, map(_row, held))
    say(f"chat {chat.id} holds {output.counted(len(held), 'source')}.")


def _row(hold: HoldShape) -> Sequence[object]:
    return (
        hold.source,
        "its absence" if hold.digest is None else output.short_digest(hold.digest),
        "yes" if hold.in_force else "no, the workspace moved on",
        hold.held_by,
        instant_text(hold.held_at),
    )


__all__ = ["release", "show"]
