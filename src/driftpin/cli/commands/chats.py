"""`driftpin chat …`: make chats, talk in them, put them away, share them."""

from pathlib import Path
from typing import Annotated

import typer

from driftpin.cli.options import ChatArgument, JsonFlag, Reach, YesFlag, reaching

app = typer.Typer(no_args_is_help=True, help="Make chats, talk in them, share them.")
DirectoryOption = Annotated[Path, typer.Option("--dir", help="The workspace's directory.")]
UserArgument = Annotated[str, typer.Argument(help="The user's id.", metavar="USER")]


@app.command()
@reaching
def new(
    reach: Reach,
    title: Annotated[str, typer.Argument(help="What it is about.")] = "",
    *,
    directory: DirectoryOption = Path(),
    model: Annotated[
        str | None, typer.Option(help="provider:model, `offline` or `scripted`.")
    ] = None,
    parent: Annotated[
        str | None, typer.Option(help="A chat whose pin and company the new one shares.")
    ] = None,
    tools: Annotated[
        Path | None,
        typer.Option(help="File with a JSON list of tools that you carry out yourself."),
    ] = None,
    spawn: Annotated[
        bool, typer.Option("--spawn", help="Let its model start sub-chats on the same pin.")
    ] = False,
    role: Annotated[str | None, typer.Option(help="What its model is told to be.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a chat, pinned to the newest context of this directory's workspace."""
    from driftpin.cli import chat_pages

    wish = chat_pages.NewWish(model=model, parent=parent, tools=tools, may_spawn=spawn, role=role)
    chat_pages.new(reach, title, directory, wish, as_json=as_json)


@app.command("list")
@reaching
def list_chats(
    reach: Reach,
    *,
    directory: DirectoryOption = Path(),
    everywhere: Annotated[bool, typer.Option("--all", help="Chats of every workspace.")] = False,
    archived: Annotated[bool, typer.Option("--archived", help="Archived chats.")] = False,
    dirty: Annotated[bool, typer.Option("--dirty", help="Dirty chats only.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List chats, the newest first."""
    from driftpin.cli import chat_pages

    wish = chat_pages.ListWish(is_everywhere=everywhere, is_archived=archived, is_dirty=dirty)
    chat_pages.list_chats(reach, directory, wish, as_json=as_json)


@app.command()
@reaching
def show(reach: Reach, chat: ChatArgument = "last", as_json: JsonFlag = False) -> None:
    """Show the messages of a chat."""
    from driftpin.cli import chat_pages

    chat_pages.show(reach, chat, as_json=as_json)


@app.command()
@app.command("ask")
@reaching
def send(
    reach: Reach,
    text: Annotated[str, typer.Argument(help="The message; `-` reads it from the input.")],
    chat: Annotated[
        str, typer.Option(help="The chat; without it, this directory's newest.")
    ] = "last",
    interrupt: Annotated[
        bool, typer.Option("--interrupt", help="Ask a turn that runs to stop; else wait for it.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Send a message and show the answer as it comes."""
    from driftpin.cli import talking

    talking.send(reach, chat, text, interrupts=interrupt, as_json=as_json)


@app.command()
@reaching
def resume(reach: Reach, chat: ChatArgument = "last", as_json: JsonFlag = False) -> None:
    """Go on with a chat's last turn, which failed, from its last committed step."""
    from driftpin.cli import talking

    talking.resume(reach, chat, as_json=as_json)


@app.command()
@reaching
def retry(
    reach: Reach,
    chat: ChatArgument = "last",
    *,
    turn: Annotated[
        int | None, typer.Option(help="The turn's number; without it, the last one.", min=1)
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="What to ask instead; `-` reads it from the input.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask again from a turn on; it and all behind it leave the conversation."""
    from driftpin.cli import talking

    talking.retry(reach, chat, turn, text, as_json=as_json)


@app.command()
@reaching
def calls(
    reach: Reach,
    chat: ChatArgument = "last",
    turn: Annotated[
        int | None, typer.Option(help="The turn's number; without it, the last one.", min=1)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the calls of a turn; end with 1 if some of them wait for you."""
    from driftpin.cli import call_pages

    call_pages.calls(reach, chat, turn, as_json=as_json)


@app.command()
@reaching
def answer(
    reach: Reach,
    call: Annotated[str, typer.Argument(help="The call's id.", metavar="CALL")],
    text: Annotated[str, typer.Argument(help="What it gave; `-` reads it from the input.")],
    *,
    chat: Annotated[
        str, typer.Option(help="The chat; without it, this directory's newest.")
    ] = "last",
    error: Annotated[bool, typer.Option("--error", help="It failed; the text says why.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say what a call gave that a turn waits for, and show how the turn goes on."""
    from driftpin.cli import call_pages

    call_pages.answer(reach, chat, call, text, is_error=error, as_json=as_json)


@app.command()
@reaching
def archive(reach: Reach, chat: ChatArgument) -> None:
    """Put a chat away; it keeps its pin."""
    from driftpin.cli import chat_pages

    chat_pages.set_archived(reach, chat, is_archived=True)


@app.command()
@reaching
def unarchive(reach: Reach, chat: ChatArgument) -> None:
    """Bring an archived chat back."""
    from driftpin.cli import chat_pages

    chat_pages.set_archived(reach, chat, is_archived=False)


@app.command()
@reaching
def share(
    reach: Reach,
    chat: ChatArgument,
    user: UserArgument,
    update: Annotated[
        bool, typer.Option("--update", help="They may send and refresh, not only read.")
    ] = False,
) -> None:
    """Share a chat with a user, and with it the `user:` files in its pin."""
    from driftpin.cli import chat_pages

    chat_pages.share(reach, chat, user, may_update=update)


@app.command()
@reaching
def unshare(reach: Reach, chat: ChatArgument, user: UserArgument) -> None:
    """Take a share back."""
    from driftpin.cli import chat_pages

    chat_pages.unshare(reach, chat, user)


@app.command()
@reaching
def fork(
    reach: Reach,
    chat: ChatArgument,
    turn: Annotated[int, typer.Argument(help="The last turn to take along.", min=0)],
    as_json: JsonFlag = False,
) -> None:
    """Start a chat from the end of a turn, with the pin of that turn."""
    from driftpin.cli import chat_pages

    chat_pages.fork(reach, chat, turn, as_json=as_json)


@app.command()
@reaching
def delete(reach: Reach, chat: ChatArgument, yes: YesFlag = False) -> None:
    """Delete a chat, its messages and its pin."""
    from driftpin.cli import chat_pages

    chat_pages.delete(reach, chat, is_sure=yes)


__all__ = ["app"]
