"""Commands that run a server, look after its store, or show what driftpin does."""

from pathlib import Path
from typing import Annotated

import typer

from driftpin.cli.options import DirectoryArgument, JsonFlag, LogOption, StateOption

app = typer.Typer()
HostOption = Annotated[str | None, typer.Option(help="Address to listen on.")]
PortOption = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")]
DatabaseOption = Annotated[
    str | None, typer.Option("--database", help="sqlite:///PATH or postgresql://…", metavar="URL")
]


@app.command()
def up(
    directory: DirectoryArgument = Path(),
    *,
    host: HostOption = None,
    port: PortOption = None,
    database: DatabaseOption = None,
    state: StateOption = None,
    log_level: LogOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one line of JSON once everything is ready.")
    ] = False,
) -> None:
    """Start a server and the agent of DIR, and serve until Ctrl-C.

    Where a server of the same state directory is running already, only the agent is started.
    """
    from driftpin.cli import up as implementation

    flags = {
        "host": host,
        "port": port,
        "database_url": database,
        "state_dir": state,
        "log_level": log_level,
    }
    implementation.up(directory, flags, as_json=as_json)


@app.command()
def serve(
    host: HostOption = None,
    port: PortOption = None,
    database: DatabaseOption = None,
    state: StateOption = None,
    log_level: LogOption = None,
) -> None:
    """Run a server: the API, its streams and the workers."""
    from driftpin.cli import serving

    serving.serve(
        {
            "host": host,
            "port": port,
            "database_url": database,
            "state_dir": state,
            "log_level": log_level,
        }
    )


@app.command()
def fsck(
    database: DatabaseOption = None, state: StateOption = None, as_json: JsonFlag = False
) -> None:
    """Check every invariant of the store against its bytes; change nothing."""
    from driftpin.cli import serving

    serving.check({"database_url": database, "state_dir": state}, as_json=as_json)


ReplaceFlag = Annotated[bool, typer.Option("--replace", help="Replace what is there.")]


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A new file, or a directory for one.")],
    database: DatabaseOption = None,
    state: StateOption = None,
    *,
    replace: ReplaceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Write everything that the server keeps to one file; the server may go on running."""
    from driftpin.cli import backups

    flags = {"database_url": database, "state_dir": state}
    backups.backup(target, flags, may_replace=replace, as_json=as_json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    database: DatabaseOption = None,
    state: StateOption = None,
    *,
    replace: ReplaceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a database, of either engine, what a backup holds; every server must be stopped."""
    from driftpin.cli import backups

    flags = {"database_url": database, "state_dir": state}
    backups.restore(file, flags, may_replace=replace, as_json=as_json)


@app.command()
def doctor(
    database: DatabaseOption = None,
    state: StateOption = None,
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Check every byte, as fsck does.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Fix what is safe to fix.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say what is wrong with this installation and what to do about it."""
    from driftpin.cli import doctor as implementation

    flags = {"database_url": database, "state_dir": state}
    implementation.doctor(flags, is_deep=deep, may_fix=fix, as_json=as_json)


@app.command()
def demo(directory: DirectoryArgument = Path(), as_json: JsonFlag = False) -> None:
    """Play the whole story on a throw-away copy of DIR's context; DIR is not touched."""
    from driftpin.cli import demo as implementation

    implementation.demo(directory, as_json=as_json)


__all__ = ["app"]
