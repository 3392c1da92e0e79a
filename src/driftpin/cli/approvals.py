"""Deciding which MCP servers of a directory's workspace may run."""

import json
from collections.abc import Sequence
from pathlib import Path

from driftpin.cli import output
from driftpin.cli.asking import confirm
from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session
from driftpin.context.hidden_text import visible
from driftpin.errors import NotFound, UsageError
from driftpin.wire.approvals import DecisionRequest, ServerShape

COLUMNS = ("server", "decision", "state", "runs", "identity", "from")
SHORT_IDENTITY_MIN = 6


def show(reach: Reach, directory: Path, *, as_json: bool) -> None:
    """Show every server with what was decided and how it stands."""

    async def read(session: Session) -> tuple[ServerShape, ...]:
        return await session.client.list_approvals(session.get_directory(directory).workspace_id)

    _tell(in_session(reach, read), as_json=as_json)


def decide(
    reach: Reach,
    name: str,
    directory: Path,
    *,
    is_allowed: bool,
    allows_private: bool,
    is_sure: bool,
    as_json: bool,
) -> None:
    """Allow or deny a server; what would run is shown before, exactly as its identity names it."""

    async def act(session: Session) -> tuple[ServerShape, ...]:
        workspace_id = session.get_directory(directory).workspace_id
        servers = await session.client.list_approvals(workspace_id)
        server = choose(servers, name)
        if is_allowed and not _is_wanted(server, is_sure=is_sure):
            return servers
        request = DecisionRequest(
            decision="allow" if is_allowed else "deny",
            keyed_digest=server.keyed_digest,
            allows_private=allows_private,
        )
        return await session.client.decide_server(workspace_id, server.identity, request)

    _tell(in_session(reach, act), as_json=as_json)


def _is_wanted(server: ServerShape, *, is_sure: bool) -> bool:
    say(launch_text(server))
    return is_sure or confirm(f"Let this server run as {server.source}?")


def withdraw(reach: Reach, name: str, directory: Path) -> None:
    """Take a decision back."""

    async def act(session: Session) -> ServerShape:
        workspace_id = session.get_directory(directory).workspace_id
        server = choose(await session.client.list_approvals(workspace_id), name)
        await session.client.withdraw_decision(workspace_id, server.identity)
        return server

    server = in_session(reach, act)
    say(f"{server.source or server.identity} waits for a decision again.")


def choose(servers: Sequence[ServerShape], name: str) -> ServerShape:
    """Return the server of that name, source, or beginning of an identity.

    Raises NotFound, and UsageError (`ambiguous_server`) when several fit.
    """
    wanted = {name, f"mcp:{name}"}
    found = [server for server in servers if server.source in wanted]
    if not found and len(name.removeprefix("sha256:")) >= SHORT_IDENTITY_MIN:
        digits = name.removeprefix("sha256:")
        found = [server for server in servers if server.identity[7:].startswith(digits)]
    if not found:
        raise NotFound(f"This workspace has no MCP server {name!r}.", code="unknown_server")
    if len(found) > 1:
        raise UsageError(f"{name!r} fits several servers.", code="ambiguous_server")
    return found[0]


def launch_text(server: ServerShape) -> str:
    """Return what an approval is of, for reading: nothing is left out, nothing is hidden."""
    written = json.dumps(server.launch, indent=2, ensure_ascii=False, sort_keys=True)
    values = "\nliteral values: pinned by a digest that only the workspace can make"
    return f"identity {server.identity}\n{visible(written)}{values if server.keyed_digest else ''}"


def _tell(servers: Sequence[ServerShape], *, as_json: bool) -> None:
    if as_json:
        output.write_json(servers)
        return
    output.write_table(COLUMNS, map(_row, servers))
    waiting = sum(server.decision == "pending" for server in servers)
    if waiting:
        say(f"{waiting} wait for a decision: `driftpin approvals allow NAME`.")


def _row(server: ServerShape) -> Sequence[object]:
    state = server.state or "not listed"
    return (
        (server.source or "").removeprefix("mcp:"),
        server.decision,
        f"{state}/{server.reason}" if server.reason else state,
        _command(server),
        output.short_digest(server.identity),
        server.config_source,
    )


def _command(server: ServerShape) -> str:
    launch = server.launch or {}
    args = launch.get("args")
    words = [
        launch.get("command") or launch.get("url") or "",
        *(args if isinstance(args, list) else []),
    ]
    return visible(" ".join(map(str, words)))


__all__ = ["choose", "decide", "launch_text", "show", "withdraw"]
