"""The command line put together."""

import sys
from typing import Annotated

import typer

from driftpin.cli.commands import (
    account,
    chats,
    locks,
    operator,
    pins,
    policies,
    receipts,
    reviews,
    service,
    trust,
    workspace,
)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    from driftpin.cli.exits import run_guarded

    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown escaped, never a crash.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # real streams

    def command() -> None:
        build_app()(args=arguments, prog_name="driftpin")

    try:
        return run_guarded(command)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0


def build_app() -> typer.Typer:
    """Return the application with every command."""
    app = typer.Typer(
        name="driftpin",
        help="The context an AI coding chat runs on is pinned; it changes when you say so.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        callback=_driftpin,
    )
    for family in (service, workspace, locks, pins, account):
        app.add_typer(family.app)
    app.add_typer(workspace.sources_app, name="sources")
    app.add_typer(chats.app, name="chat")
    app.add_typer(receipts.app, name="receipts")
    app.add_typer(operator.sync_app, name="sync")
    app.add_typer(reviews.app, name="review")
    app.add_typer(trust.approvals_app, name="approvals")
    app.add_typer(policies.app, name="policies")
    return app


def _driftpin(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", is_eager=True)
    ] = False,
) -> None:
    if version:
        account.version()
        raise typer.Exit


__all__ = ["build_app", "run"]
