"""A question to a chat, and its answer as it comes."""

import sys
from collections.abc import Awaitable, Callable

from driftpin.cli import output
from driftpin.cli.chat_pages import text_of
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session
from driftpin.client import Client
from driftpin.client.conversation import ASKS, follow, ignore
from driftpin.context.hidden_text import visible
from driftpin.errors import Conflict, NotFound, UsageError
from driftpin.wire.turns import MessageShape, RetryRequest, SendMessageRequest, TurnShape

Ended = tuple[TurnShape, tuple[MessageShape, ...]]
Begin = Callable[[Client, str], Awaitable[int]]


def send(reach: Reach, name: str, text: str, *, interrupts: bool, as_json: bool) -> None:
    """Send a message and show the answer; findings when the turn failed."""
    content = said(text)

    async def begin(client: Client, chat_id: str) -> int:
        request = SendMessageRequest(
            text=content, if_running="interrupt" if interrupts else "queue"
        )
        return (await client.send_message(chat_id, request)).turn.number

    show_answer(reach, name, begin, as_json=as_json)


def resume(reach: Reach, name: str, *, as_json: bool) -> None:
    """Go on with a chat's last turn, which failed, and show the answer."""

    async def begin(client: Client, chat_id: str) -> int:
        return (await client.resume_turn(chat_id, await last_turn(client, chat_id))).number

    show_answer(reach, name, begin, as_json=as_json)


def retry(reach: Reach, name: str, number: int | None, text: str | None, *, as_json: bool) -> None:
    """Run a chat again from a turn, the last one unless told, and show the answer."""
    content = None if text is None else said(text)

    async def begin(client: Client, chat_id: str) -> int:
        request = RetryRequest(text=content)
        chosen = await last_turn(client, chat_id) if number is None else number
        return (await client.retry_turn(chat_id, chosen, request)).turn.number

    show_answer(reach, name, begin, as_json=as_json)


def said(text: str) -> str:
    """Return a text that was given on the command line or, for `-`, on the input."""
    content = sys.stdin.read() if text == "-" else text
    if not content.strip():
        raise UsageError("The message is empty; say something, or pipe it in with `-`.")
    return content


async def last_turn(client: Client, chat_id: str) -> int:
    """Return the number of the last turn of the conversation."""
    turns = [turn for turn in await client.list_turns(chat_id) if turn.replaced_by is None]
    if not turns:
        raise NotFound("Nothing has been said in this chat yet.")
    return turns[-1].number


def show_answer(reach: Reach, name: str, begin: Begin, *, as_json: bool) -> None:
    """Show how the turn goes that `begin` gives; findings when it failed or waits for somebody."""

    async def act(session: Session) -> Ended:
        chat = await session.get_chat(name)
        number = await begin(session.client, chat.id)
        return await follow(session.client, chat.id, number, ignore if as_json else _show)

    turn, messages = in_session(reach, act)
    if as_json:
        output.write_json({"turn": turn, "messages": messages})
    elif turn.state not in ("failed", ASKS):
        sys.stdout.write("\n")
    if turn.state == ASKS:
        say("The turn waits for you: see `driftpin chat calls`, and `driftpin chat answer`.")
        raise Finished(ExitCode.FINDINGS)
    if turn.state == "failed":
        say(f"error: the turn failed: {turn.error}")
        say("`driftpin chat resume` goes on with it, `driftpin chat retry` asks again.")
        raise Finished(ExitCode.FINDINGS)


async def ask(client: Client, chat_id: str, text: str) -> str:
    """Return the whole answer; Conflict (`turn_failed`) when there is none."""
    sent = await client.send_message(chat_id, SendMessageRequest(text=text))
    turn, messages = await follow(client, chat_id, sent.turn.number, ignore)
    if turn.state == "failed":
        raise Conflict(f"The turn failed: {turn.error}", code="turn_failed")
    return "\n".join(text_of(each) for each in messages if each.role == "assistant")


def _show(text: str) -> None:
    sys.stdout.write(visible(text))
    sys.stdout.flush()


__all__ = ["ask", "last_turn", "resume", "retry", "said", "send", "show_answer"]
