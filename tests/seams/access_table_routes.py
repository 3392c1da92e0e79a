"""Which status every route gives to every kind of caller.

The chat is the owner's, shared with a reader and an updater; the other user and the other agent
have nothing to do with it. Statuses stand in the order of `CALLERS`.
"""

from dataclasses import dataclass
from typing import Any, Final

from seams.access_world import Caller

CALLERS: Final = (
    Caller.NOBODY,
    Caller.OWNER,
    Caller.READER,
    Caller.UPDATER,
    Caller.OTHER,
    Caller.ADMINISTRATOR,
    Caller.OWN_AGENT,
    Caller.OTHER_AGENT,
)
Statuses = tuple[int, int, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route: how it is tried, and what each caller gets.

    `{chat}`, `{workspace}`, `{agent}`, `{head}`, `{blob}`, `{reader}` and `{token}` are filled in.
    The method of a socket is `WS`.
    """

    method: str
    path: str
    tried: str
    statuses: Statuses
    body: dict[str, Any] | None = None
    # What a page sends instead of a body in JSON.
    form: dict[str, str] | None = None
    # Whoever succeeds leaves nothing for the next caller.
    uses_up: bool = False

    @property
    def name(self) -> str:
        """How the row is found."""
        return f"{self.method} {self.path}"


def everybody(status: int) -> Statuses:
    """Return the same status for all."""
    return (status,) * 8


def users(owner: int, reader: int, updater: int, other: int, administrator: int) -> Statuses:
    """Return statuses of a route for users: nobody is signed in, agents have the wrong token."""
    return (401, owner, reader, updater, other, administrator, 403, 403)


def agents(own: int, other: int) -> Statuses:
    """Return statuses of a route for agents."""
    return (401, 403, 403, 403, 403, 403, own, other)


READ_CHAT: Final = users(200, 200, 200, 404, 200)
UPDATE_CHAT: Final = users(200, 403, 200, 404, 200)
MASTER_CHAT: Final = users(200, 403, 403, 404, 200)
MASTER: Final = users(200, 404, 404, 404, 200)
EVERY_USER: Final = users(200, 200, 200, 200, 200)
CHAT: Final = "/api/v1/chats/{chat_id}"
WORKSPACE: Final = "/api/v1/workspaces/{workspace_id}"


def made(status: int, statuses: Statuses) -> Statuses:
    """Return the statuses of a route that answers a success with `status`."""
    return tuple(status if each == 200 else each for each in statuses)  # type: ignore[return-value] # as many as before


def policies_rows(
    path: str, tried: str, reading: Statuses, setting: Statuses
) -> tuple[RouteRow, ...]:
    """Return the rows of the policies of one place."""
    path, tried = f"{path}/policies", f"{tried}/policies"
    return (
        RouteRow("GET", path, tried, reading),
        RouteRow("PUT", path, tried, setting, {"policy": "pin"}),
        RouteRow("DELETE", path, tried, setting),
    )


ROWS: Final = (
    RouteRow("GET", "/healthz", "/healthz", everybody(200)),
    RouteRow("GET", "/readyz", "/readyz", everybody(200)),
    RouteRow("GET", "/api/v1", "/api/v1", everybody(200)),
    RouteRow("GET", "/api/v1/openapi.json", "/api/v1/openapi.json", everybody(200)),
    RouteRow("GET", "/metrics", "/metrics", users(403, 403, 403, 403, 200)),
    RouteRow("GET", "/api/v1/sync", "/api/v1/sync", EVERY_USER),
    RouteRow(
        "PUT",
        "/api/v1/sync",
        "/api/v1/sync",
        users(403, 403, 403, 403, 200),
        {"paused": False},
    ),
    RouteRow("GET", "/api/v1/me", "/api/v1/me", EVERY_USER),
    RouteRow("GET", "/api/v1/users", "/api/v1/users", EVERY_USER),
    RouteRow(
        "POST", "/api/v1/users", "/api/v1/users", users(403, 403, 403, 403, 201), {"name": "new"}
    ),
    RouteRow(
        "PUT",
        "/api/v1/users/{user_id}/password",
        "/api/v1/users/{reader}/password",
        users(404, 204, 404, 404, 204),
        {"password": "long enough", "present": "long enough"},
    ),
    RouteRow(
        "POST",
        "/api/v1/sign-in",
        "/api/v1/sign-in",
        everybody(401),
        {"name": "owner", "password": "a guess"},
    ),
    # A token is no session.
    RouteRow("POST", "/api/v1/sign-out", "/api/v1/sign-out", users(400, 400, 400, 400, 400)),
    RouteRow("POST", "/api/v1/login-links", "/api/v1/login-links", made(201, EVERY_USER)),
    RouteRow("GET", "/sign-in/{code}", "/sign-in/guess", everybody(404)),
    RouteRow("POST", "/sign-in/{code}", "/sign-in/guess", everybody(404)),
    RouteRow("GET", "/api/v1/tokens", "/api/v1/tokens", EVERY_USER),
    RouteRow("POST", "/api/v1/tokens", "/api/v1/tokens", made(201, EVERY_USER), {}),
    RouteRow(
        "DELETE",
        "/api/v1/tokens/{token_id}",
        "/api/v1/tokens/{token}",
        made(204, MASTER),
    ),
    RouteRow("GET", "/api/v1/workspaces", "/api/v1/workspaces", EVERY_USER),
    RouteRow(
        "POST", "/api/v1/workspaces", "/api/v1/workspaces", made(201, EVERY_USER), {"name": "w"}
    ),
    RouteRow("GET", WORKSPACE, "/api/v1/workspaces/{workspace}", MASTER),
    RouteRow(
        "DELETE", WORKSPACE, "/api/v1/workspaces/{workspace}", made(204, MASTER), uses_up=True
    ),
    RouteRow("GET", f"{WORKSPACE}/agents", "/api/v1/workspaces/{workspace}/agents", MASTER),
    RouteRow(
        "POST",
        f"{WORKSPACE}/agents",
        "/api/v1/workspaces/{workspace}/agents",
        made(201, MASTER),
        {},
    ),
    RouteRow("GET", f"{WORKSPACE}/context", "/api/v1/workspaces/{workspace}/context", MASTER),
    RouteRow(
        "POST",
        f"{WORKSPACE}/context/refresh",
        "/api/v1/workspaces/{workspace}/context/refresh",
        MASTER,
    ),
    RouteRow(
        "POST",
        f"{WORKSPACE}/snapshots",
        "/api/v1/workspaces/{workspace}/snapshots",
        made(201, MASTER),
        {"manifest": {"v": 1, "resources": []}},
    ),
    *policies_rows(WORKSPACE, "/api/v1/workspaces/{workspace}", MASTER, MASTER),
    *policies_rows(CHAT, "/api/v1/chats/{chat}", READ_CHAT, UPDATE_CHAT),
    RouteRow("GET", f"{WORKSPACE}/approvals", "/api/v1/workspaces/{workspace}/approvals", MASTER),
    # The workspace lists no server: whoever may decide is told so.
    RouteRow(
        "PUT",
        f"{WORKSPACE}/approvals/{{digest}}",
        "/api/v1/workspaces/{workspace}/approvals/{head}",
        users(404, 404, 404, 404, 404),
        {"decision": "allow"},
    ),
    RouteRow(
        "DELETE",
        f"{WORKSPACE}/approvals/{{digest}}",
        "/api/v1/workspaces/{workspace}/approvals/{head}",
        users(404, 404, 404, 404, 404),
    ),
    RouteRow("GET", "/api/v1/agents/{agent_id}", "/api/v1/agents/{agent}", MASTER),
    RouteRow(
        "DELETE",
        "/api/v1/agents/{agent_id}",
        "/api/v1/agents/{agent}",
        made(204, MASTER),
        uses_up=True,
    ),
    RouteRow(
        "POST",
        "/api/v1/agents/{agent_id}/token",
        "/api/v1/agents/{agent}/token",
        MASTER,
        uses_up=True,
    ),
    # Its agent is not connected: whoever may ask is told so.
    RouteRow(
        "POST",
        "/api/v1/agents/{agent_id}/resync",
        "/api/v1/agents/{agent}/resync",
        made(503, MASTER),
    ),
    RouteRow("GET", "/api/v1/chats", "/api/v1/chats", EVERY_USER),
    RouteRow(
        "POST",
        "/api/v1/chats",
        "/api/v1/chats",
        made(201, MASTER),
        {"workspace_id": "{workspace}"},
    ),
    RouteRow("GET", CHAT, "/api/v1/chats/{chat}", READ_CHAT),
    RouteRow("PATCH", CHAT, "/api/v1/chats/{chat}", UPDATE_CHAT, {"title": "new"}),
    RouteRow("DELETE", CHAT, "/api/v1/chats/{chat}", made(204, MASTER_CHAT)),
    # The only turn has not ended: whoever may fork is told so; a fork needs the workspace too.
    RouteRow(
        "POST",
        f"{CHAT}/fork",
        "/api/v1/chats/{chat}/fork",
        users(409, 403, 403, 404, 409),
        {"turn": 1},
    ),
    RouteRow("GET", f"{CHAT}/shares", "/api/v1/chats/{chat}/shares", MASTER_CHAT),
    RouteRow(
        "PUT",
        f"{CHAT}/shares",
        "/api/v1/chats/{chat}/shares",
        MASTER_CHAT,
        {"user_id": "{reader}", "access": "read"},
    ),
    RouteRow(
        "DELETE",
        f"{CHAT}/shares/{{user_id}}",
        "/api/v1/chats/{chat}/shares/{reader}",
        made(204, MASTER_CHAT),
    ),
    RouteRow("GET", f"{CHAT}/context", "/api/v1/chats/{chat}/context", READ_CHAT),
    RouteRow("PUT", f"{CHAT}/context", "/api/v1/chats/{chat}/context", UPDATE_CHAT, {}),
    RouteRow(
        "POST",
        f"{CHAT}/context/rollback",
        "/api/v1/chats/{chat}/context/rollback",
        UPDATE_CHAT,
        {"to": "{head}"},
    ),
    RouteRow(
        "POST", f"{CHAT}/context/rebind", "/api/v1/chats/{chat}/context/rebind", UPDATE_CHAT, {}
    ),
    RouteRow(
        "POST", f"{CHAT}/context/release", "/api/v1/chats/{chat}/context/release", UPDATE_CHAT, {}
    ),
    RouteRow("GET", f"{CHAT}/context/holds", "/api/v1/chats/{chat}/context/holds", READ_CHAT),
    RouteRow("GET", f"{CHAT}/context/drift", "/api/v1/chats/{chat}/context/drift", READ_CHAT),
    RouteRow("GET", f"{CHAT}/context/history", "/api/v1/chats/{chat}/context/history", READ_CHAT),
    RouteRow("GET", f"{CHAT}/export", "/api/v1/chats/{chat}/export", READ_CHAT),
    RouteRow("GET", f"{CHAT}/messages", "/api/v1/chats/{chat}/messages", READ_CHAT),
    RouteRow(
        "POST",
        f"{CHAT}/messages",
        "/api/v1/chats/{chat}/messages",
        made(201, UPDATE_CHAT),
        {"text": "more"},
    ),
    RouteRow(
        "POST",
        f"{CHAT}/interrupt",
        "/api/v1/chats/{chat}/interrupt",
        users(202, 403, 202, 404, 202),
    ),
    RouteRow("GET", f"{CHAT}/turns", "/api/v1/chats/{chat}/turns", READ_CHAT),
    # The only turn has not ended: whoever may resume or retry is told so.
    RouteRow(
        "POST",
        f"{CHAT}/turns/{{turn}}/resume",
        "/api/v1/chats/{chat}/turns/1/resume",
        users(409, 403, 409, 404, 409),
    ),
    RouteRow(
        "POST",
        f"{CHAT}/turns/{{turn}}/retry",
        "/api/v1/chats/{chat}/turns/1/retry",
        users(409, 403, 409, 404, 409),
        {},
    ),
    RouteRow(
        "GET", f"{CHAT}/turns/{{turn}}/calls", "/api/v1/chats/{chat}/turns/1/calls", READ_CHAT
    ),
    # It waits for no result: whoever may give one is told so.
    RouteRow(
        "POST",
        f"{CHAT}/turns/{{turn}}/results",
        "/api/v1/chats/{chat}/turns/1/results",
        users(409, 403, 409, 404, 409),
        {"results": [{"call_id": "c", "content": ""}]},
    ),
    # There is no receipt yet.
    RouteRow(
        "GET",
        f"{CHAT}/turns/{{turn}}/receipt",
        "/api/v1/chats/{chat}/turns/1/receipt",
        users(404, 404, 404, 404, 404),
    ),
    RouteRow("GET", f"{CHAT}/receipts", "/api/v1/chats/{chat}/receipts", READ_CHAT),
    RouteRow("GET", "/api/v1/receipt-key", "/api/v1/receipt-key", EVERY_USER),
    RouteRow("GET", f"{CHAT}/stream", "/api/v1/chats/{chat}/stream", READ_CHAT),
    RouteRow("GET", "/api/v1/events", "/api/v1/events?chat={chat}", READ_CHAT),
    RouteRow("GET", "/api/v1/snapshots/{digest}", "/api/v1/snapshots/{head}", READ_CHAT),
    RouteRow(
        "GET",
        "/api/v1/snapshots/{before}/diff/{after}",
        "/api/v1/snapshots/{head}/diff/{head}",
        READ_CHAT,
    ),
    RouteRow("GET", "/api/v1/blobs/{digest}", "/api/v1/blobs/{blob}", READ_CHAT),
    # Whoever may see no chat that runs on them is told of none.
    RouteRow("GET", "/api/v1/blobs/{digest}/uses", "/api/v1/blobs/{blob}/uses", EVERY_USER),
    RouteRow(
        "POST", "/api/v1/agent/hello", "/api/v1/agent/hello", agents(200, 200), {"run_id": "run"}
    ),
    # Sequence 1 was accepted with other content; the other agent has not said hello.
    RouteRow(
        "POST",
        "/api/v1/agent/snapshots",
        "/api/v1/agent/snapshots",
        agents(409, 409),
        {"incarnation": 1, "seq": 1, "manifest": {"v": 1, "resources": []}},
    ),
    RouteRow("GET", "/api/v1/agent/approvals", "/api/v1/agent/approvals", agents(200, 200)),
    RouteRow("POST", "/api/v1/agent/blobs", "/api/v1/agent/blobs", agents(200, 200), {"blobs": []}),
    RouteRow(
        "POST", "/api/v1/agent/context/refresh", "/api/v1/agent/context/refresh", agents(403, 403)
    ),
    RouteRow(
        "POST",
        "/mcp/chats/{chat_id}",
        "/mcp/chats/{chat}",
        READ_CHAT,
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
    ),
    RouteRow("GET", "/mcp/chats/{chat_id}", "/mcp/chats/{chat}", READ_CHAT),
    # 101 is the answer to a socket that was opened.
    RouteRow("WS", "/api/v1/agent/link", "/api/v1/agent/link", agents(101, 101)),
)
