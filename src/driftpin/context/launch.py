"""How an MCP server is started or reached, as its config writes it, and the identity of that.

A launch is kept as written, unexpanded: `${VAR}` stays `${VAR}`. Its canonical form is a blob, the
identity is the digest of that blob, and an approval is of an identity: another command, argument,
directory, address, or name in env or headers is another identity (spec/trust.md §1). Values of env
and headers that hold anything but references never leave the workspace: a mark stands for each, and
a keyed digest that only the workspace can compute tells whether they changed.
"""

import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import rfc8785

from driftpin.context.manifest import Json
from driftpin.identity import Digest, digest_of

LAUNCH_VERSION: Final = 1
REFERENCE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ONLY_REFERENCES: Final = re.compile(rf"(?:{REFERENCE.pattern})+")
LITERAL: Final[Json] = {"literal": True}


class Transport(StrEnum):
    """How the agent speaks to a server."""

    STDIO = "stdio"
    HTTP = "http"
    SSE = "sse"


@dataclass(frozen=True, slots=True)
class Launch:
    """One server's entry of a config: `command` for stdio, `url` for the others."""

    transport: Transport
    command: str | None = None
    args: tuple[str, ...] = ()
    cwd: str | None = None
    url: str | None = None
    # Not in a representation, which may end in a log.
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def blob(self) -> bytes:
        """The canonical form: RFC 8785 bytes without any literal value of env or headers."""
        return rfc8785.dumps(
            {
                "v": LAUNCH_VERSION,
                "transport": self.transport.value,
                "command": self.command,
                "args": list(self.args),
                "cwd": self.cwd,
                "url": self.url,
                "env": _without_literals(self.env),
                "headers": _without_literals(self.headers),
            }
        )

    @property
    def identity(self) -> Digest:
        """The digest that approvals are of."""
        return digest_of(self.blob)

    @property
    def references(self) -> frozenset[str]:
        """The names of all variables that the launch refers to."""
        return frozenset(name for text in self._texts() for name in REFERENCE.findall(text))

    def keyed_digest(self, key: bytes) -> str | None:
        """Return HMAC-SHA256 over the literal values, in hex; None where there are none."""
        literals: list[Json] = [
            [place, name, value]
            for place, pairs in (("env", self.env), ("headers", self.headers))
            for name, value in sorted(pairs)
            if not is_reference(value)
        ]
        return hmac.digest(key, rfc8785.dumps(literals), "sha256").hex() if literals else None

    def expanded(self, variables: Mapping[str, str]) -> "Launch":
        """Return the launch with every reference replaced, in one pass.

        The command and its directory are never expanded: what is approved is what runs. Raises
        UndefinedVariable with the first name that is not defined.
        """

        def expand(text: str) -> str:
            return REFERENCE.sub(lambda found: _defined(found[1], variables), text)

        return Launch(
            transport=self.transport,
            command=self.command,
            args=tuple(expand(argument) for argument in self.args),
            cwd=self.cwd,
            url=None if self.url is None else expand(self.url),
            env=tuple((name, expand(value)) for name, value in self.env),
            headers=tuple((name, expand(value)) for name, value in self.headers),
        )

    def _texts(self) -> Iterator[str]:
        yield from self.args
        yield self.url or ""
        yield from (value for _, value in (*self.env, *self.headers))


class UndefinedVariable(Exception):
    """A launch refers to a variable that the agent's environment does not have."""

    def __init__(self, name: str) -> None:
        """Name the variable; its value is nobody's business."""
        self.name = name
        super().__init__(name)


def is_reference(value: str) -> bool:
    """Whether the value is made of `${VAR}` references alone."""
    return _ONLY_REFERENCES.fullmatch(value) is not None


def has_literals(blob: bytes) -> bool:
    """Whether a launch's canonical form marks a literal value; False for what is no launch."""
    try:
        written = json.loads(blob)
        places = [written["env"], written["headers"]]
        return any(value == LITERAL for place in places for value in place.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _without_literals(pairs: tuple[tuple[str, str], ...]) -> dict[str, Json]:
    return {name: value if is_reference(value) else LITERAL for name, value in pairs}


def _defined(name: str, variables: Mapping[str, str]) -> str:
    if name not in variables:
        raise UndefinedVariable(name)
    return variables[name]


__all__ = [
    "LITERAL",
    "Launch",
    "Transport",
    "UndefinedVariable",
    "has_literals",
    "is_reference",
]
