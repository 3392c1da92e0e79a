"""How a secret is shown: not at all."""

import re
from typing import Final
from urllib.parse import unquote

MASK: Final = "********"
_PARAMETER: Final = re.compile(r"(?<=[?&])(?P<name>[^=&?]*)=[^&]*")


def without_password(url: str) -> str:
    """Return a database's URL with its password masked, wherever it stands.

    What could be part of a password is taken for one: it may hold slashes and question marks.
    """
    scheme, separator, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    name, colon, _password = user.partition(":")
    if colon and not rest.startswith("/"):
        rest = f"{name}:{MASK}{at}{place}"
    return f"{scheme}{separator}{_PARAMETER.sub(_masked_parameter, rest)}"


def _masked_parameter(match: re.Match[str]) -> str:
    is_password = "pass" in unquote(match["name"]).lower()
    return f"{match['name']}={MASK}" if is_password else match[0]


__all__ = ["MASK", "without_password"]
