"""Which status every page, and every form on one, gives to every kind of caller."""

from typing import Final

from seams.access_table_routes import (
    EVERY_USER,
    MASTER,
    READ_CHAT,
    UPDATE_CHAT,
    RouteRow,
    everybody,
    made,
    users,
)

CHAT: Final = "/chats/{chat_id}"

ROWS: Final = (
    RouteRow("GET", "/assets/{version}/{name}", "/assets/none/page.css", everybody(404)),
    RouteRow("GET", "/sign-in", "/sign-in", everybody(200)),
    RouteRow(
        "POST", "/sign-in", "/sign-in", everybody(401), form={"name": "owner", "password": "guess"}
    ),
    RouteRow("POST", "/sign-out", "/sign-out", made(303, EVERY_USER), form={}),
    RouteRow("GET", "/", "/", EVERY_USER),
    RouteRow("POST", "/chats", "/chats", made(303, MASTER), form={"workspace": "{workspace}"}),
    RouteRow("GET", CHAT, "/chats/{chat}", READ_CHAT),
    RouteRow(
        "POST",
        f"{CHAT}/settings",
        "/chats/{chat}/settings",
        made(303, UPDATE_CHAT),
        form={"title": "named anew"},
    ),
    RouteRow("GET", f"{CHAT}/turns/{{turn}}/words", "/chats/{chat}/turns/1/words", READ_CHAT),
    # There is no receipt yet.
    RouteRow(
        "GET", f"{CHAT}/turns/{{turn}}", "/chats/{chat}/turns/1", users(404, 404, 404, 404, 404)
    ),
    RouteRow(
        "POST",
        f"{CHAT}/messages",
        "/chats/{chat}/messages",
        made(303, UPDATE_CHAT),
        form={"text": "more", "when": "queue"},
    ),
    # The only turn has not ended: whoever may go on with it, or run it again, is told so.
    RouteRow(
        "POST",
        f"{CHAT}/resume",
        "/chats/{chat}/resume",
        users(409, 403, 409, 404, 409),
        form={"turn": "1"},
    ),
    RouteRow(
        "POST",
        f"{CHAT}/retry",
        "/chats/{chat}/retry",
        users(409, 403, 409, 404, 409),
        form={"turn": "1"},
    ),
    RouteRow("POST", f"{CHAT}/interrupt", "/chats/{chat}/interrupt", made(303, UPDATE_CHAT)),
    # The only turn has not ended: whoever may fork is told so; a fork needs the workspace too.
    RouteRow(
        "POST",
        f"{CHAT}/fork",
        "/chats/{chat}/fork",
        users(409, 403, 403, 404, 409),
        form={"turn": "1"},
    ),
    RouteRow("GET", f"{CHAT}/context", "/chats/{chat}/context", READ_CHAT),
    RouteRow("GET", f"{CHAT}/drift", "/chats/{chat}/drift", READ_CHAT),
    RouteRow(
        "GET", f"{CHAT}/compare", "/chats/{chat}/compare?before={head}&after={head}", READ_CHAT
    ),
    RouteRow(
        "POST",
        f"{CHAT}/refresh",
        "/chats/{chat}/refresh",
        made(303, UPDATE_CHAT),
        form={"to": "{head}"},
    ),
    RouteRow(
        "POST",
        f"{CHAT}/rollback",
        "/chats/{chat}/rollback",
        made(303, UPDATE_CHAT),
        form={"to": "{head}"},
    ),
    RouteRow(
        "POST",
        f"{CHAT}/release",
        "/chats/{chat}/release",
        made(303, UPDATE_CHAT),
        form={"source": "workspace:AGENTS.md"},
    ),
    RouteRow("POST", f"{CHAT}/policies", "/chats/{chat}/policies", made(303, UPDATE_CHAT), form={}),
    RouteRow("GET", f"{CHAT}/history", "/chats/{chat}/history", READ_CHAT),
    RouteRow("GET", "/workspaces", "/workspaces", EVERY_USER),
    RouteRow("GET", "/workspaces/{workspace_id}", "/workspaces/{workspace}", MASTER),
    RouteRow(
        "POST",
        "/workspaces/{workspace_id}/policies",
        "/workspaces/{workspace}/policies",
        made(303, MASTER),
        form={"policy": "pin"},
    ),
    RouteRow(
        "GET", "/workspaces/{workspace_id}/refresh", "/workspaces/{workspace}/refresh", MASTER
    ),
    RouteRow(
        "POST",
        "/workspaces/{workspace_id}/refresh",
        "/workspaces/{workspace}/refresh",
        MASTER,
        form={"shown": "{head}"},
    ),
    # The workspace lists no server: whoever may decide is told so.
    RouteRow(
        "POST",
        "/workspaces/{workspace_id}/approvals",
        "/workspaces/{workspace}/approvals",
        users(404, 404, 404, 404, 404),
        form={"identity": "{head}", "decision": "allow"},
    ),
    RouteRow("GET", "/digests/{digest}", "/digests/{blob}", READ_CHAT),
)

__all__ = ["ROWS"]
