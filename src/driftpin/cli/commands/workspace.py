"""Commands about a directory and its agent; all but `agent` need no server and no login."""

from pathlib import Path
from typing import Annotated

import typer

from driftpin.cli.options import DirectoryArgument, JsonFlag, Reach, StateOption, reaching

app = typer.Typer()
sources_app = typer.Typer(no_args_is_help=True, help="Directories that are read besides DIR.")
DirectoryOption = Annotated[Path, typer.Option("--dir", help="The workspace's directory.")]


@app.command()
def scan(
    directory: DirectoryArgument = Path(),
    state: StateOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 if anything is not ok or has a finding.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Resolve the context of DIR once and show every resource, status, size and digest."""
    from driftpin.cli import scanning

    scanning.scan(directory, state, is_strict=strict, as_json=as_json)


@app.command()
def explain(
    path: Annotated[Path, typer.Argument(help="A file or directory.")],
    directory: DirectoryOption = Path(),
    state: StateOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell why a file is or is not in the context, and which rule decided."""
    from driftpin.cli import scanning

    scanning.explain(path, directory, state, as_json=as_json)


@sources_app.command("list")
def list_sources(
    directory: DirectoryOption = Path(), state: StateOption = None, as_json: JsonFlag = False
) -> None:
    """Show the declared sources, the first in precedence first."""
    from driftpin.cli import scanning

    scanning.list_sources(directory, state, as_json=as_json)


@sources_app.command("add")
def add_source(
    name: Annotated[str, typer.Argument(help="The label that stands before its files.")],
    path: Annotated[Path, typer.Argument(help="The directory to read.")],
    directory: DirectoryOption = Path(),
    state: StateOption = None,
) -> None:
    """Declare a directory as a source; a running agent picks it up at once."""
    from driftpin.cli import scanning

    scanning.add_source(name, path, directory, state)


@sources_app.command("remove")
def remove_source(
    name: Annotated[str, typer.Argument(help="The label of the source.")],
    directory: DirectoryOption = Path(),
    state: StateOption = None,
) -> None:
    """Forget a declared source."""
    from driftpin.cli import scanning

    scanning.remove_source(name, directory, state)


@app.command()
@reaching
def resync(
    reach: Reach,
    directory: DirectoryArgument = Path(),
    agent: Annotated[
        str | None,
        typer.Option("--agent", help="An agent's id: ask it through the server, wherever it runs."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Have the running agent look at DIR anew; return once the server has accepted the result."""
    from driftpin.cli import agent_calls

    if agent is None:
        agent_calls.resync(directory, as_json=as_json)
    else:
        agent_calls.resync_through_server(reach, agent, as_json=as_json)


@app.command()
def ready(directory: DirectoryArgument = Path()) -> None:
    """Tell a waiting agent that DIR is ready to be pinned."""
    from driftpin.cli import agent_calls

    agent_calls.ready(directory)


@app.command()
@reaching
def agent(
    reach: Reach,
    directory: DirectoryArgument = Path(),
    *,
    agent_token: Annotated[
        str | None, typer.Option(help="The agent's token; prefer DRIFTPIN_AGENT_TOKEN.")
    ] = None,
    wait_for: Annotated[
        list[Path] | None, typer.Option(help="Push nothing before this path exists.")
    ] = None,
    wait_for_ready: Annotated[
        bool, typer.Option("--wait-for-ready", help="Push nothing before `driftpin ready`.")
    ] = False,
    lifeline: Annotated[
        bool,
        typer.Option("--lifeline", hidden=True, help="Take address and token from the input."),
    ] = False,
) -> None:
    """Run the workspace agent of DIR: watch its context and push it to the server."""
    from driftpin.cli import agent_run

    wish = agent_run.AgentWish(
        directory, tuple(wait_for or ()), waits_for_call=wait_for_ready, has_lifeline=lifeline
    )
    agent_run.run(reach, wish, agent_token)


__all__ = ["app", "sources_app"]
