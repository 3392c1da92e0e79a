"""A message sent to a chat, and the turn that answers it, followed to its end."""

from collections.abc import Callable
from typing import Final

from driftpin.client.client import Client
from driftpin.client.streams import Streamed
from driftpin.wire.transfer import DeltaShape, TurnEventShape
from driftpin.wire.turns import MessageShape, SendMessageRequest, TurnShape

ASKS: Final = "requires_action"
_OVER: Final = frozenset({"done", "failed", "interrupted", ASKS})
BEGUN_ANEW: Final = "\n[begun anew by another worker]\n"


def ignore(text: str) -> None:
    """Show nothing: whoever asked reads the answer when it is whole."""


async def converse(
    client: Client, chat_id: str, text: str, show: Callable[[str], None] = ignore
) -> tuple[TurnShape, tuple[MessageShape, ...]]:
    """Send a message, show text as it streams, and return the ended turn with its messages."""
    sent = await client.send_message(chat_id, SendMessageRequest(text=text))
    return await follow(client, chat_id, sent.turn.number, show)


async def follow(
    client: Client, chat_id: str, number: int, show: Callable[[str], None] = ignore
) -> tuple[TurnShape, tuple[MessageShape, ...]]:
    """Show the text of a turn as it streams, and return the ended turn with its messages.

    A turn that waits for its client is followed to there.
    """
    async with client.watch_chat(chat_id, turn=number) as events:
        async for event in events:
            if _is_over(event, number, show):
                break
    turns = await client.list_turns(chat_id)
    messages = await client.list_messages(chat_id)
    ended = next(turn for turn in turns if turn.number == number)
    return ended, tuple(each for each in messages if each.turn == number and each.role != "user")


def _is_over(event: Streamed, number: int, show: Callable[[str], None]) -> bool:
    match event.kind:
        case "delta":
            delta = DeltaShape.model_validate_json(event.text)
            show(str(delta.content.get("text", "")))
        case "reset":
            show(BEGUN_ANEW)
        case "turn":
            told = TurnEventShape.model_validate_json(event.text)
            return told.turn == number and told.state in _OVER
        case _:
            pass
    return False


__all__ = ["ASKS", "converse", "follow", "ignore"]
