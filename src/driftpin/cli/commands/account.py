"""Commands about this installation: who is signed in where, what is set, and what is used."""

from typing import Annotated

import typer

from driftpin.cli.options import JsonFlag, Reach, StateOption, TokenOption, reaching

app = typer.Typer()


@app.command()
def login(
    url: Annotated[str, typer.Argument(help="Address of the server.")] = "",
    token: TokenOption = None,
    state: StateOption = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget the server that was signed in to.")
    ] = False,
) -> None:
    """Check a token at a server and remember both; the token is asked for, or read from a pipe."""
    from driftpin.cli import signing_in

    signing_in.login(url, token, state, is_forgetting=forget)


@app.command()
@reaching
def password(
    reach: Reach,
    user: Annotated[
        str | None, typer.Argument(help="Whose, for an administrator; your own without.")
    ] = None,
) -> None:
    """Set a password for signing in with a browser; asked for, or read from a pipe line by line."""
    from driftpin.cli import browser_sign_in

    browser_sign_in.set_password(reach, user)


@app.command(name="login-link")
@reaching
def login_link(reach: Reach) -> None:
    """Write a link that signs a browser in as you, once and within ten minutes."""
    from driftpin.cli import browser_sign_in

    browser_sign_in.show_login_link(reach)


@app.command()
@reaching
def usage(reach: Reach, as_json: JsonFlag = False) -> None:
    """Show how many bytes your workspaces keep, and how many they may."""
    from driftpin.cli import usage

    usage.show(reach, as_json=as_json)


@app.command()
@reaching
def config(
    reach: Reach,
    origin: Annotated[
        bool, typer.Option("--origin", help="Tell where each value came from.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show every setting; secrets are masked."""
    from driftpin.cli import configuration

    configuration.show(reach, has_origins=origin, as_json=as_json)


@app.command()
def version() -> None:
    """Show the version."""
    from driftpin import __version__

    typer.echo(f"driftpin {__version__}")


__all__ = ["app"]
