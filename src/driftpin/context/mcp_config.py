"""An MCP config file: the servers that it lists, or whether and where it is none.

Its bytes never leave the workspace and nothing of them is repeated in a refusal.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

from driftpin.context.mcp_servers import ListedServer, list_servers
from driftpin.limits import JSON_DEPTH_MAX

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ConfigRefusal:
    """Why a config is not usable; `line` and `column` count from 1."""

    reason: str
    line: int | None = None
    column: int | None = None


class _DuplicateKeyError(Exception):
    """A key stands twice in one object; never leaves this module."""


def read_mcp_config(content: bytes, servers_key: str) -> tuple[ListedServer, ...] | ConfigRefusal:
    """Return the servers that stand under `servers_key`, or what is wrong with the config.

    A config without that key is in order: it has no servers. A bad server is one of them, with its
    reason.
    """
    try:
        text = content.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        return ConfigRefusal("not_utf8", content.count(b"\n", 0, error.start) + 1)
    if _is_too_deep(text):
        return ConfigRefusal("too_deep")
    try:
        document = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=len
        )
    except _DuplicateKeyError:
        return ConfigRefusal("duplicate_key")
    except json.JSONDecodeError as error:
        return ConfigRefusal("json_syntax", error.lineno, error.colno)
    except ValueError:
        return ConfigRefusal("json_syntax")
    servers = document.get(servers_key, {}) if isinstance(document, dict) else None
    return list_servers(servers) if isinstance(servers, dict) else ConfigRefusal("wrong_type")


def _is_too_deep(text: str) -> bool:
    """Whether brackets nest past the limit; asked before parsing, which would recurse."""
    depth = 0
    for found in _STRUCTURE.finditer(text):
        match found[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
        if depth > JSON_DEPTH_MAX:
            return True
    return False


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateKeyError
    return members


def _no_constant(_: str) -> object:
    raise ValueError


__all__ = ["ConfigRefusal", "read_mcp_config"]
