"""Calls that a turn made: listed, and answered where they wait for whoever made the chat."""

from driftpin.cli import output
from driftpin.cli.exits import ExitCode, Finished
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session
from driftpin.cli.talking import last_turn, said, show_answer
from driftpin.client import Client
from driftpin.wire.turns import CallResultShape, SubmitResultsRequest, ToolCallShape

COLUMNS = ("call", "tool", "state", "arguments")


def calls(reach: Reach, name: str, number: int | None, *, as_json: bool) -> None:
    """List the calls of a turn; findings when some of them wait."""

    async def read(session: Session) -> tuple[ToolCallShape, ...]:
        chat = await session.get_chat(name)
        turn = await last_turn(session.client, chat.id) if number is None else number
        return await session.client.list_calls(chat.id, turn)

    found = in_session(reach, read)
    if as_json:
        output.write_json(found)
    else:
        output.write_table(COLUMNS, map(_row, found))
    if any(call.asked for call in found):
        raise Finished(ExitCode.FINDINGS)


def answer(
    reach: Reach, name: str, call_id: str, text: str, *, is_error: bool, as_json: bool
) -> None:
    """Post what a call of the last turn gave, and show how the turn goes on."""
    content = said(text)

    async def begin(client: Client, chat_id: str) -> int:
        result = CallResultShape(call_id=call_id, content=content, is_error=is_error)
        turn = await last_turn(client, chat_id)
        await client.submit_results(chat_id, turn, SubmitResultsRequest(results=(result,)))
        return turn

    show_answer(reach, name, begin, as_json=as_json)


def _row(call: ToolCallShape) -> tuple[str, ...]:
    state = "waits for you" if call.asked else call.outcome or call.state
    return call.call_id, call.name, state, call.arguments


__all__ = ["answer", "calls"]
