"""`driftpin password` and `driftpin login-link`: how a browser gets in without a token."""

import getpass
import sys

from driftpin.cli import output
from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session
from driftpin.cli.target import get_target
from driftpin.errors import NotFound, UsageError
from driftpin.wire.api import UserShape
from driftpin.wire.signing_in import SetPasswordRequest


def set_password(reach: Reach, name: str | None) -> None:
    """Set the password of the user with this name, or of whoever is signed in."""
    present = _asked("Present password (empty if there is none): ") if name is None else ""
    password = _asked("New password: ")
    if sys.stdin.isatty() and _asked("The same again: ") != password:
        raise UsageError("The two are not the same.", code="bad_password")

    async def change(session: Session) -> UserShape:
        user = await _user(session, name)
        request = SetPasswordRequest(password=password, present=present or None)
        await session.client.set_password(user.id, request)
        return user

    say(f"{in_session(reach, change).name!r} has a new password; every session was ended.")


def show_login_link(reach: Reach) -> None:
    """Write a link that signs a browser in once."""

    async def make(session: Session) -> str:
        return (await session.client.create_login_link()).path

    output.write_text(get_target(reach).url + in_session(reach, make))


async def _user(session: Session, name: str | None) -> UserShape:
    if name is None:
        return (await session.client.get_me()).user
    users = await session.client.list_users()
    found = next((user for user in users if user.name == name), None)
    if found is None:
        raise NotFound(f"There is no user {name!r}, or you are no administrator.")
    return found


def _asked(prompt: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    return sys.stdin.readline().rstrip("\n")


__all__ = ["set_password", "show_login_link"]
