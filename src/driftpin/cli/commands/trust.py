"""Commands that decide what a workspace may start."""

from pathlib import Path
from typing import Annotated

import typer

from driftpin.cli.options import DirectoryArgument, JsonFlag, Reach, YesFlag, reaching

approvals_app = typer.Typer(
    no_args_is_help=True, help="Which MCP servers of DIR may run: nothing starts by itself."
)
ServerArgument = Annotated[
    str, typer.Argument(metavar="SERVER", help="Its name, or the beginning of its identity.")
]
PrivateFlag = Annotated[
    bool, typer.Option("--private", help="Also at a loopback or private address.")
]


@approvals_app.command("list")
@reaching
def list_servers(
    reach: Reach, directory: DirectoryArgument = Path(), as_json: JsonFlag = False
) -> None:
    """Show the MCP servers of DIR, what was decided about each, and how it stands."""
    from driftpin.cli import approvals

    approvals.show(reach, directory, as_json=as_json)


@approvals_app.command("allow")
@reaching
def allow_server(
    reach: Reach,
    server: ServerArgument,
    directory: DirectoryArgument = Path(),
    *,
    private: PrivateFlag = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Show exactly what would run, ask, and let it run."""
    from driftpin.cli import approvals

    approvals.decide(
        reach,
        server,
        directory,
        is_allowed=True,
        allows_private=private,
        is_sure=yes,
        as_json=as_json,
    )


@approvals_app.command("deny")
@reaching
def deny_server(
    reach: Reach,
    server: ServerArgument,
    directory: DirectoryArgument = Path(),
    as_json: JsonFlag = False,
) -> None:
    """Never run a server, and do not ask about it again."""
    from driftpin.cli import approvals

    approvals.decide(
        reach,
        server,
        directory,
        is_allowed=False,
        allows_private=False,
        is_sure=True,
        as_json=as_json,
    )


@approvals_app.command("withdraw")
@reaching
def withdraw_decision(
    reach: Reach, server: ServerArgument, directory: DirectoryArgument = Path()
) -> None:
    """Take a decision back: the server is ended, and waits for a person again."""
    from driftpin.cli import approvals

    approvals.withdraw(reach, server, directory)


__all__ = ["approvals_app"]
