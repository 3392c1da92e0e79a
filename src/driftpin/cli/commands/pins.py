"""Commands about what a chat runs on: see it, see what changed, move it."""

from pathlib import Path
from typing import Annotated

import typer

from driftpin.cli.options import (
    ChatArgument,
    DirectoryArgument,
    JsonFlag,
    Reach,
    YesFlag,
    reaching,
)

app = typer.Typer()
DigestOption = Annotated[
    str | None, typer.Option("--to", help="A snapshot's digest, or its unique beginning.")
]


DryRunFlag = Annotated[
    bool, typer.Option("--dry-run", help="Show what would happen and move nothing.")
]


@app.command()
@reaching
def status(reach: Reach, directory: DirectoryArgument = Path(), as_json: JsonFlag = False) -> None:
    """Show the chats of DIR, clean or dirty; end with 1 if one is dirty."""
    from driftpin.cli import pin_pages

    pin_pages.status(reach, directory, as_json=as_json)


@app.command()
@reaching
def show(reach: Reach, chat: ChatArgument = "last", as_json: JsonFlag = False) -> None:
    """Show what a chat runs on: its snapshot and everything listed in it."""
    from driftpin.cli import pin_pages

    pin_pages.show(reach, chat, as_json=as_json)


@app.command()
@reaching
def diff(reach: Reach, chat: ChatArgument = "last", as_json: JsonFlag = False) -> None:
    """Show the difference between a chat's pin and its workspace; end with 1 if there is one."""
    from driftpin.cli import pin_pages

    pin_pages.diff(reach, chat, as_json=as_json)


@app.command()
@reaching
def refresh(
    reach: Reach,
    chat: ChatArgument = "last",
    *,
    yes: YesFlag = False,
    to: DigestOption = None,
    dry_run: DryRunFlag = False,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Move the chat's sub-chats with it.")
    ] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Let a turn that runs have it from its next request.")
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", help="Take only this source and hold the rest; can be repeated."),
    ] = None,
    hold: Annotated[
        list[str] | None,
        typer.Option("--hold", help="Take all but this source and hold it; can be repeated."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Refresh every dirty chat of this directory instead.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show the difference, ask, and move a chat's pin to the head of its workspace.

    With both --accept and --hold, what neither names stays as it is.
    """
    from driftpin.cli import pin_moves

    if every:
        pin_moves.refresh_all(reach, is_sure=yes, is_dry=dry_run, as_json=as_json)
        return
    request = pin_moves.RefreshWish(
        to,
        is_sure=yes,
        is_dry=dry_run,
        has_cascade=cascade,
        is_now=now,
        accept=tuple(accept) if accept else None,
        hold=tuple(hold) if hold else None,
    )
    pin_moves.refresh(reach, chat, request, as_json=as_json)


@app.command()
@reaching
def holds(reach: Reach, chat: ChatArgument = "last", as_json: JsonFlag = False) -> None:
    """Show what a chat keeps as it is although its workspace has something else."""
    from driftpin.cli import holding

    holding.show(reach, chat, as_json=as_json)


@app.command()
@reaching
def release(
    reach: Reach,
    chat: ChatArgument,
    sources: Annotated[
        list[str] | None, typer.Argument(help="What is held; without any, everything.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Let go of what a chat holds; it is drift again."""
    from driftpin.cli import holding

    holding.release(reach, chat, sources or [], as_json=as_json)


@app.command()
@reaching
def rollback(
    reach: Reach,
    chat: ChatArgument = "last",
    to: DigestOption = None,
    *,
    dry_run: DryRunFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Move a chat's pin to an earlier snapshot of its history; without --to, to the one before."""
    from driftpin.cli import pin_moves

    pin_moves.roll_back(reach, chat, to, is_dry=dry_run, as_json=as_json)


@app.command()
@reaching
def rebind(
    reach: Reach,
    chat: ChatArgument = "last",
    agent: Annotated[
        str | None, typer.Option(help="Id of the agent; without it, the workspace's current one.")
    ] = None,
    *,
    dry_run: DryRunFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Bind a chat to another agent of its workspace and pin it anew."""
    from driftpin.cli import pin_moves

    pin_moves.rebind(reach, chat, agent, is_dry=dry_run, as_json=as_json)


@app.command()
@reaching
def history(reach: Reach, chat: ChatArgument = "last", as_json: JsonFlag = False) -> None:
    """Show every move of a chat's pin."""
    from driftpin.cli import pin_pages

    pin_pages.history(reach, chat, as_json=as_json)


@app.command()
@reaching
def receipt(
    reach: Reach,
    chat: ChatArgument = "last",
    turn: Annotated[
        int | None, typer.Argument(help="The turn's number; without it, the last one.", min=1)
    ] = None,
    prompt: Annotated[bool, typer.Option("--prompt", help="Show the rendered prompt too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what the requests of a turn were built from."""
    from driftpin.cli import pin_pages

    pin_pages.receipt(reach, chat, turn, has_prompt=prompt, as_json=as_json)


@app.command()
@reaching
def export(
    reach: Reach,
    chat: ChatArgument,
    directory: Annotated[Path, typer.Argument(help="A new or empty directory.", metavar="DIR")],
    as_json: JsonFlag = False,
) -> None:
    """Write a chat's pin as a read-only tree, for any other agent to run on."""
    from driftpin.cli import exporting

    exporting.export(reach, chat, directory, as_json=as_json)


@app.command("used-by")
@reaching
def used_by(
    reach: Reach,
    what: Annotated[
        str,
        typer.Argument(
            help="A digest of a file or tool, or a file whose present bytes are meant.",
            metavar="DIGEST",
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Show which chats run on exactly these bytes."""
    from driftpin.cli import digest_uses

    digest_uses.show(reach, what, as_json=as_json)


@app.command()
@reaching
def mcp(reach: Reach, chat: ChatArgument = "last") -> None:
    """Serve a chat's pin to an MCP client on the standard streams, until its input ends."""
    from driftpin.cli import mcp_stdio

    mcp_stdio.serve(reach, chat)


__all__ = ["app"]
