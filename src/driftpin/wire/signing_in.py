"""What signing in without a token takes and gives."""

from typing import Annotated

from pydantic import Field

from driftpin import limits
from driftpin.wire.api import UserShape
from driftpin.wire.shape import ONE_LINE, InstantText, ReplyShape, Shape

PasswordText = Annotated[str, Field(max_length=limits.PASSWORD_CHARACTERS_MAX)]


class SignInRequest(Shape):
    """A name and its password."""

    name: Annotated[str, Field(min_length=1, max_length=100), ONE_LINE]
    password: PasswordText


class SignedInShape(ReplyShape):
    """Whose session began; the session itself is in a cookie that scripts cannot read."""

    user: UserShape
    expires_at: InstantText


class SetPasswordRequest(Shape):
    """A password; whoever changes an own one shows the present one too."""

    password: PasswordText
    present: PasswordText | None = None


class LoginLinkShape(ReplyShape):
    """Where a browser is signed in, once; behind the server's address."""

    path: str
    expires_at: InstantText


__all__ = ["LoginLinkShape", "SetPasswordRequest", "SignInRequest", "SignedInShape"]
