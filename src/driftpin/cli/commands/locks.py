"""Commands about a committed lock of the context; they need neither a server nor a login."""

from pathlib import Path
from typing import Annotated

import typer

from driftpin.cli.options import DirectoryArgument, JsonFlag, Reach, StateOption, reaching

app = typer.Typer()
UserFlag = Annotated[
    bool, typer.Option("--user", help="Also the user's own files and the declared sources.")
]


@app.command()
@reaching
def lock(
    reach: Reach,
    directory: DirectoryArgument = Path(),
    *,
    chat: Annotated[
        str | None, typer.Option("--chat", help="Lock what this chat runs on; asks the server.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--output", help="Where to write; else DIR/driftpin.lock.")
    ] = None,
    user: UserFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Write down the context of DIR as a lock that is committed with it."""
    from driftpin.cli import locking
    from driftpin.context.lock import Scope

    scope = Scope.USER if user else Scope.WORKSPACE
    locking.lock(reach, locking.LockWish(directory, target, chat, scope), as_json=as_json)


@app.command()
def verify(
    lockfile: Annotated[
        Path | None, typer.Argument(help="The lock; else DIR/driftpin.lock.")
    ] = None,
    *,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="The directory; else where the lock is.")
    ] = None,
    state: StateOption = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="End with 1 where the context is not as locked.")
    ] = False,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on", help="With --frozen: the least severity that fails.", metavar="SEVERITY"
        ),
    ] = "cosmetic",
    form: Annotated[
        str, typer.Option("--format", help="text, json or sarif.", metavar="FORMAT")
    ] = "text",
    target: Annotated[
        Path | None, typer.Option("--output", help="Write JSON or SARIF there, text here.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell what differs in the context of a directory from its lock."""
    from driftpin.cli import verifying
    from driftpin.context.severity import Severity

    verifying.verify(
        verifying.VerifyWish(
            lockfile,
            directory,
            state,
            is_frozen=frozen,
            fail_on=verifying.one_of("--fail-on", Severity, fail_on),
            form=verifying.one_of("--format", verifying.Format, "json" if as_json else form),
            target=target,
        )
    )


__all__ = ["app"]
