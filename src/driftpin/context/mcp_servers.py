"""The servers that an MCP config lists: each a launch, or a fixed reason why it is not usable.

One bad entry does not spoil its neighbours. Nothing of a bad value is repeated.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from driftpin import limits
from driftpin.context.launch import Launch, Transport
from driftpin.context.literal_secrets import has_secret_argument, has_secret_in_url

SERVER_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# RFC 9110 §5.6.2: the characters of a field's name.
HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
TYPES: Final[Mapping[str, Transport]] = {
    "stdio": Transport.STDIO,
    "http": Transport.HTTP,
    "streamable-http": Transport.HTTP,
    "streamableHttp": Transport.HTTP,
    "sse": Transport.SSE,
}


@dataclass(frozen=True, slots=True)
class ListedServer:
    """One entry: its name, and either its launch or the reason why there is none."""

    name: str
    launch: Launch | None
    reason: str = ""


class _Refused(Exception):
    """An entry breaks a rule; never leaves this module."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def list_servers(entries: Mapping[str, object]) -> tuple[ListedServer, ...]:
    """Return every entry of a config's servers, ordered by name."""
    return tuple(_listed(name, entries[name]) for name in sorted(entries))


def _listed(name: str, entry: object) -> ListedServer:
    try:
        _check_name(name)
        return ListedServer(name, _launch(entry))
    except _Refused as refusal:
        return ListedServer(name, None, refusal.reason)


def _check_name(name: str) -> None:
    is_short = len(name) <= limits.MCP_SERVER_NAME_CHARACTERS_MAX
    if not is_short or "__" in name or SERVER_NAME.fullmatch(name) is None:
        raise _Refused("bad_server_name")


def _launch(entry: object) -> Launch:
    if not isinstance(entry, dict):
        raise _Refused("server_not_object")
    command, url = _optional_text(entry, "command"), _optional_text(entry, "url")
    if command is not None and url is not None:
        raise _Refused("ambiguous_transport")
    if command is not None:
        return _stdio(entry, command)
    if url is not None:
        return _remote(entry, url)
    raise _Refused("no_transport")


def _stdio(entry: Mapping[str, object], command: str) -> Launch:
    if _transport(entry, Transport.STDIO) is not Transport.STDIO:
        raise _Refused("ambiguous_transport")
    args = _texts(entry, "args")
    if not command.strip():
        raise _Refused("no_transport")
    if has_secret_argument((command, *args)):
        raise _Refused("literal_secret")
    return Launch(
        transport=Transport.STDIO,
        command=command,
        args=args,
        cwd=_optional_text(entry, "cwd"),
        env=_pairs(entry, "env", VARIABLE_NAME),
    )


def _remote(entry: Mapping[str, object], url: str) -> Launch:
    transport = _transport(entry, Transport.HTTP)
    if transport is Transport.STDIO:
        raise _Refused("ambiguous_transport")
    _check_url(url)
    return Launch(transport=transport, url=url, headers=_pairs(entry, "headers", HEADER_NAME))


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise _Refused("bad_url") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise _Refused("url_scheme")
    if not parts.hostname or not port_is_good or " " in url:
        raise _Refused("bad_url")
    _refuse_secrets(url, parts)


def _refuse_secrets(url: str, parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise _Refused("url_credentials")
    if has_secret_in_url(url):
        raise _Refused("literal_secret")


def _transport(entry: Mapping[str, object], otherwise: Transport) -> Transport:
    named = _optional_text(entry, "type")
    if named is None:
        return otherwise
    if named not in TYPES:
        raise _Refused("unknown_transport")
    return TYPES[named]


def _optional_text(entry: Mapping[str, object], key: str) -> str | None:
    value = entry.get(key)
    if value is None:
        return None
    return _text(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Refused("wrong_type")
    if CONTROL.search(value) is not None or not _is_encodable(value):
        raise _Refused("control_char")
    if len(value.encode()) > limits.MCP_VALUE_BYTES_MAX:
        raise _Refused("too_long")
    return value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate, which JSON can write and UTF-8 cannot.
        return False
    return True


def _texts(entry: Mapping[str, object], key: str) -> tuple[str, ...]:
    values = entry.get(key)
    if values is None:
        return ()
    if not isinstance(values, list):
        raise _Refused("wrong_type")
    _check_count(values)
    return tuple(_text(value) for value in values)


def _pairs(
    entry: Mapping[str, object], key: str, name_form: re.Pattern[str]
) -> tuple[tuple[str, str], ...]:
    values = entry.get(key)
    if values is None:
        return ()
    if not isinstance(values, dict):
        raise _Refused("wrong_type")
    _check_count(values)
    if any(name_form.fullmatch(name) is None for name in values):
        raise _Refused("bad_variable_name" if key == "env" else "bad_header_name")
    return tuple((name, _text(values[name])) for name in sorted(values))


def _check_count(values: Iterable[object]) -> None:
    if len(tuple(values)) > limits.MCP_VALUES_MAX:
        raise _Refused("too_many_values")


__all__ = ["ListedServer", "list_servers"]
