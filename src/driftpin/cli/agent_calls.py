"""What a command asks of the agent that runs on a directory, over its local socket."""

from collections.abc import Mapping
from pathlib import Path

from driftpin.agent.local_client import call_agent, find_socket
from driftpin.agent.local_protocol import LocalCall
from driftpin.cli import output
from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.places import get_directory
from driftpin.cli.session import Session, in_session
from driftpin.context.manifest import Json
from driftpin.errors import Unreachable
from driftpin.wire.api import AgentShape


def resync(directory: Path, *, as_json: bool) -> None:
    """Return once a look that began now was accepted by the server."""
    with output.progress("Looking at the workspace …"):
        answer = _ask(directory, LocalCall.RESYNC)
    if as_json:
        output.write_json(answer)
    else:
        say("The server holds what the workspace is now.")


def resync_through_server(reach: Reach, agent_id: str, *, as_json: bool) -> None:
    """Return once a look that began now was accepted, of an agent on any machine."""

    async def act(session: Session) -> AgentShape:
        return await session.client.resync_agent(agent_id)

    agent = in_session(reach, act)
    if as_json:
        output.write_json(agent)
    else:
        say("The server holds what the workspace is now.")


def ready(directory: Path) -> None:
    """Open the gate of an agent that waits for its workspace."""
    _ask(directory, LocalCall.READY)
    say("The agent goes ahead.")


def find_answer(
    directory: Path, call: LocalCall, arguments: Mapping[str, Json] | None = None
) -> tuple[Json] | None:
    """Return the running agent's answer, in a tuple of one; None where no agent runs."""
    path = find_socket(get_directory(directory))
    if path is None:
        return None
    answer: Json = call_agent(path, call, arguments)
    return (answer,)


def _ask(directory: Path, call: LocalCall) -> Json:
    answer = find_answer(directory, call)
    if answer is None:
        raise Unreachable(
            f"No agent runs on {str(directory.resolve())!r}; start one with `driftpin up` there."
        )
    return answer[0]


__all__ = ["find_answer", "ready", "resync", "resync_through_server"]
