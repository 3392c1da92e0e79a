"""Takes secrets out of what a server, or the SDK, says when something goes wrong.

Removed are the values of env and headers, of all variables that the launch refers to, user info and
query of addresses, and the values of arguments; each also as it looks percent-encoded, in base64
and in hex. What remains is made printable and short.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from driftpin import limits
from driftpin.context.hidden_text import visible
from driftpin.context.launch import Launch

REMOVED: Final = "[removed]"
# Shorter values are words such as `1` or `on`; removing them would make every text unreadable.
SECRET_CHARACTERS_MIN: Final = 4
_URL_SECRETS: Final = re.compile(r"(?<=://)[^/@\s]+@|(?<=[?&#])[^\s\"'<>]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Redactor:
    """Knows the secrets of one server."""

    def __init__(self, launch: Launch, variables: Mapping[str, str]) -> None:
        """Take secrets from the launch as written and from the variables that it refers to."""
        found = set(_secrets(launch, variables))
        forms = {form for secret in found for form in _forms(secret)}
        # The longest first: one secret may be a part of another.
        self._forms = sorted((form for form in forms if form), key=len, reverse=True)

    def clean(self, text: str) -> str:
        """Return the text without secrets, printable, cut to the end that fits."""
        for form in self._forms:
            text = text.replace(form, REMOVED)
        text = _URL_SECRETS.sub(REMOVED, text)
        text = _CONTROL.sub("", text)
        return visible(text)[-limits.MCP_STDERR_KEPT_BYTES_MAX :]


def _secrets(launch: Launch, variables: Mapping[str, str]) -> Iterator[str]:
    expanded = [variables[name] for name in launch.references if name in variables]
    literal = [value for _, value in (*launch.env, *launch.headers)]
    arguments = [argument.partition("=")[2] or argument for argument in launch.args]
    for value in (*expanded, *literal, *arguments, *_of_url(launch.url)):
        yield from (part for part in (value, *value.split()) if _is_long(part))


def _of_url(url: str | None) -> Iterable[str]:
    if url is None:
        return ()
    parts = urlsplit(url)
    return (
        *parts.path.split("/"),
        *(value for _, value in parse_qsl(parts.query)),
        parts.username or "",
        parts.password or "",
    )


def _is_long(text: str) -> bool:
    return len(text) >= SECRET_CHARACTERS_MIN


def _forms(secret: str) -> Iterator[str]:
    content = secret.encode(errors="replace")
    yield secret
    yield from (quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1])
    yield from (content.hex(), content.hex().upper())
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(content).decode().rstrip("=")


__all__ = ["REMOVED", "Redactor"]
