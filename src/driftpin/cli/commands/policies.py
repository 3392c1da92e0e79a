"""Commands about what a pin does by itself when its workspace changes."""

from pathlib import Path
from typing import Annotated

import typer

from driftpin.cli.options import JsonFlag, Reach, reaching

app = typer.Typer(
    no_args_is_help=True,
    help="What the start of a turn does where the workspace has changed; nothing, unless you say.",
)
ChatOption = Annotated[
    str | None,
    typer.Option("--chat", metavar="CHAT", help="A chat; without it, the workspace of DIR."),
]
DirectoryOption = Annotated[Path, typer.Option("--dir", help="The workspace's directory.")]
KindOption = Annotated[
    str | None,
    typer.Option(help="For instruction_file, skill, mcp_config or mcp_server only."),
]
DryRunFlag = Annotated[
    bool, typer.Option("--dry-run", help="Show what the next turns would do and set nothing.")
]


@app.command("show")
@reaching
def show(
    reach: Reach,
    chat: ChatOption = None,
    directory: DirectoryOption = Path(),
    as_json: JsonFlag = False,
) -> None:
    """Show the policies of a workspace, or of a chat with what is in force for it."""
    from driftpin.cli import policies

    policies.show(reach, policies.Place(chat, directory), as_json=as_json)


@app.command("set")
@reaching
def set_policy(
    reach: Reach,
    policy: Annotated[
        str, typer.Argument(help="pin, auto_add, follow or freeze.", metavar="POLICY")
    ],
    chat: ChatOption = None,
    directory: DirectoryOption = Path(),
    kind: KindOption = None,
    *,
    dry_run: DryRunFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Set a policy for everything, or for one kind of resource."""
    from driftpin.cli import policies

    place = policies.Place(chat, directory)
    policies.set_policy(reach, place, policy, kind, is_dry=dry_run, as_json=as_json)


@app.command("clear")
@reaching
def clear(
    reach: Reach,
    chat: ChatOption = None,
    directory: DirectoryOption = Path(),
    kind: KindOption = None,
    *,
    dry_run: DryRunFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Take back everything that is set in one place, or what is set for one kind."""
    from driftpin.cli import policies

    place = policies.Place(chat, directory)
    policies.clear(reach, place, kind, is_dry=dry_run, as_json=as_json)


__all__ = ["app"]
