"""A question to a chat, and its answer as it comes."""

import sys
from collections.abc import Callable
from typing import Final

from driftpin.cli import output
from driftpin.cli.chat_pages import text_of
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session
from driftpin.client import Client
from driftpin.client.streams import Streamed
from driftpin.context.hidden_text import visible
from driftpin.errors import Conflict, UsageError
from driftpin.wire.api import MessageShape, SendMessageRequest, TurnShape
from driftpin.wire.transfer import DeltaShape, TurnEventShape

_OVER: Final = frozenset({"done", "failed", "interrupted"})


def send(reach: Reach, name: str, text: str, *, as_json: bool) -> None:
    """Send a message and show the answer; findings when the turn failed."""
    content = sys.stdin.read() if text == "-" else text
    if not content.strip():
        raise UsageError("The message is empty; say something, or pipe it in with `-`.")

    async def act(session: Session) -> tuple[TurnShape, tuple[MessageShape, ...]]:
        chat = await session.get_chat(name)
        show = _ignore if as_json else _show
        return await converse(session.client, chat.id, content, show)

    turn, messages = in_session(reach, act)
    if as_json:
        output.write_json({"turn": turn, "messages": messages})
    elif turn.state != "failed":
        sys.stdout.write("\n")
    if turn.state == "failed":
        say(f"error: the turn failed: {turn.error}")
        raise Finished(ExitCode.FINDINGS)


async def ask(client: Client, chat_id: str, text: str) -> str:
    """Return the whole answer; Conflict (`turn_failed`) when there is none."""
    turn, messages = await converse(client, chat_id, text, _ignore)
    if turn.state == "failed":
        raise Conflict(f"The turn failed: {turn.error}", code="turn_failed")
    return "\n".join(text_of(each) for each in messages if each.role == "assistant")


async def converse(
    client: Client, chat_id: str, text: str, show: Callable[[str], None]
) -> tuple[TurnShape, tuple[MessageShape, ...]]:
    """Send a message, show text as it streams, and return the ended turn with its messages."""
    sent = await client.send_message(chat_id, SendMessageRequest(text=text))
    number = sent.turn.number
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
            show("\n[begun anew by another worker]\n")
        case "turn":
            told = TurnEventShape.model_validate_json(event.text)
            return told.turn == number and told.state in _OVER
        case _:
            pass
    return False


def _show(text: str) -> None:
    sys.stdout.write(visible(text))
    sys.stdout.flush()


def _ignore(text: str) -> None:
    """Show nothing: whoever asked reads the answer when it is whole."""


__all__ = ["ask", "converse", "send"]
