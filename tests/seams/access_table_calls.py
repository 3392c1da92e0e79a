"""Who can have a call reach an agent: over its link, and over its local socket.

Over the link calls go one way, from the server to the agent, and the server sends one only for a
route that somebody may use, or for a turn: what has no route is sent for no caller. An agent sends
answers and no calls. The local socket knows no callers of the server: who may talk to it is the
operating system's user that runs the agent, whatever tokens that process holds, and no call of it
approves, refreshes or moves a pin.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from seams.access_table_routes import CALLERS
from seams.access_world import MASTERS, NO_USERS, Caller

NEVER_SENT: Final = "never_sent"


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call to an agent: the route that has it sent, and what each caller gets of that route.

    Without a route every outcome is `never_sent`. `ok` is for callers whose request makes the
    agent answer this call. `before` is what an administrator sends by the same route first.
    """

    name: str
    route: tuple[str, str] | None
    outcomes: Mapping[Caller, str]
    body: Mapping[str, object] | None = None
    before: Mapping[str, object] | None = None


def _outcomes(otherwise: str, **groups: Iterable[Caller]) -> Mapping[Caller, str]:
    found = dict.fromkeys(CALLERS, otherwise)
    for outcome, callers in groups.items():
        found |= {caller: outcome for caller in callers if caller in found}
    return found


LINK_ROWS: Final = (
    CallRow(
        "resync",
        ("POST", "/agents/{agent}/resync"),
        _outcomes("not_found", ok=MASTERS, **NO_USERS),
    ),
    # Every linked agent is told when an administrator ends a pause.
    CallRow(
        "resume",
        ("PUT", "/sync"),
        _outcomes("forbidden", ok={Caller.ADMINISTRATOR}, **NO_USERS),
        body={"paused": False},
        before={"paused": True},
    ),
    # The workspace's agent is told what it may run now.
    CallRow(
        "mcp.approved",
        ("PUT", "/workspaces/{workspace}/approvals/{identity}"),
        _outcomes("not_found", ok=MASTERS, **NO_USERS),
        body={"decision": "allow"},
    ),
    # A turn sends these, as a worker: whoever may send messages in a chat has its tools called.
    CallRow("mcp.call", None, _outcomes(NEVER_SENT)),
    # So does whoever calls pinned tools from elsewhere, and it alone takes its call back.
    CallRow("mcp.cancel", None, _outcomes(NEVER_SENT)),
    CallRow("files.read", None, _outcomes(NEVER_SENT)),
    CallRow("files.list", None, _outcomes(NEVER_SENT)),
    CallRow("files.search", None, _outcomes(NEVER_SENT)),
    # Frames of the WebSocket itself say that an agent lives.
    CallRow("ping", None, _outcomes(NEVER_SENT)),
    # An agent is ended where it runs, or by deleting it.
    CallRow("stop", None, _outcomes(NEVER_SENT)),
)


@dataclass(frozen=True, slots=True)
class LocalRow:
    """One call of the local socket, tried with these arguments by the agent's own user.

    `writes` names what it changes in the workspace's own settings; nothing on the server.
    """

    name: str
    arguments: Mapping[str, object]
    writes: str = ""


LOCAL_ROWS: Final = (
    LocalRow("status", {}),
    LocalRow("scan", {"fresh": True}),
    LocalRow("resync", {}),
    LocalRow("ready", {}, writes="the workspace counts as set up"),
    LocalRow("sources.add", {"name": "{label}", "path": "{directory}"}, writes="declared sources"),
    LocalRow("sources.list", {}),
    LocalRow("sources.remove", {"name": "{label}"}, writes="declared sources"),
    LocalRow("explain", {"path": "{directory}/AGENTS.md"}),
)

__all__ = ["LINK_ROWS", "LOCAL_ROWS", "NEVER_SENT", "CallRow", "LocalRow"]
