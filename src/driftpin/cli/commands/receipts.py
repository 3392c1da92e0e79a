"""Commands about receipts that leave the server: export them, verify them, show the key."""

from pathlib import Path
from typing import Annotated

import typer

from driftpin.cli.options import ChatArgument, JsonFlag, Reach, reaching

app = typer.Typer(no_args_is_help=True, help="Export a chat's receipts, and verify such a file.")


@app.command("export")
@reaching
def export_receipts(
    reach: Reach,
    chat: ChatArgument = "last",
    output: Annotated[
        Path | None, typer.Option(help="Write to this file instead of the standard output.")
    ] = None,
) -> None:
    """Write every receipt of a chat as one document, signed with the server's key."""
    from driftpin.cli import receipt_files

    receipt_files.export(reach, chat, output)


@app.command("verify")
def verify_receipts(
    file: Annotated[Path, typer.Argument(help="What `driftpin receipts export` wrote.")],
    key: Annotated[
        str | None, typer.Option(help="Fingerprint of the server's key; another key is a finding.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="The server's public key, as `driftpin receipts key` wrote it."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Verify an export from the file alone, with no server; end with 1 if anything is wrong."""
    from driftpin.cli import receipt_files

    receipt_files.verify(file, key, key_file, as_json=as_json)


@app.command("key")
@reaching
def show_key(reach: Reach, as_json: JsonFlag = False) -> None:
    """Write the server's public key as a PEM block, and tell its fingerprint."""
    from driftpin.cli import receipt_files

    receipt_files.show_key(reach, as_json=as_json)


__all__ = ["app"]
