"""`driftpin login`: a token checked at its server, then remembered."""

import asyncio
import getpass
import sys

from driftpin.cli.exits import say
from driftpin.cli.remembered import KnownServer, Remembered
from driftpin.client import Client
from driftpin.errors import UsageError
from driftpin.identity import UserId
from driftpin.settings import load_settings, state_directory
from driftpin.wire.api import UserShape


def login(url: str, token: str | None, state: str | None, *, is_forgetting: bool) -> None:
    """Remember a server and your token for it, once the server has taken the token."""
    settings = load_settings({"url": url or None, "state_dir": state, "token": token}).settings
    remembered = Remembered(state_directory(settings))
    if is_forgetting:
        remembered.forget_login()
        say("Signed out.")
        return
    if settings.url is None:
        raise UsageError("Say which server: `driftpin login URL`.")
    secret = settings.token.get_secret_value() if settings.token else _asked_token()
    user = asyncio.run(_user_of(settings.url, secret))
    remembered.keep_login(KnownServer(settings.url, secret, UserId(user.id)))
    say(f"Signed in to {settings.url} as {user.name!r}.")


async def _user_of(url: str, token: str) -> UserShape:
    async with Client(url, token) as client:
        return (await client.get_me()).user


def _asked_token() -> str:
    is_person = sys.stdin.isatty()
    token = getpass.getpass("Token: ") if is_person else sys.stdin.readline()
    if not token.strip():
        raise UsageError("No token was given; pipe it in, or set DRIFTPIN_TOKEN.")
    return token.strip()


__all__ = ["login"]
