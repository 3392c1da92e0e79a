"""Forty secrets, each planted in one place of a workspace, and every way that each may be written.

A secret that leaks seldom leaks as it was written: it is looked for as text, in Base64, in hex, as
part of a URL, and as JSON writes it.
"""

import base64
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, quote_plus

COUNT = 40


class Writing(StrEnum):
    """How a secret is written where it is planted."""

    PLAIN = "plain"
    BASE64 = "base64"
    HEX = "hex"
    URL = "url"
    JSON = "json"


PLACES = ("env", "header", "argument", "user_info", "query")
VARIABLES = 10
IN_ENVIRONMENT = 5


@dataclass(frozen=True, slots=True)
class Canary:
    """One secret; `place` tells where it was planted."""

    place: str
    text: str
    writing: Writing = Writing.PLAIN

    @property
    def planted(self) -> str:
        """The secret as it stands in its place."""
        return written(self.text, self.writing)

    @property
    def traces(self) -> frozenset[bytes]:
        """Everything that would tell the secret, in any writing."""
        return traces_of(self.text)


def written(text: str, writing: Writing) -> str:
    """Return the secret in one of its writings."""
    match writing:
        case Writing.PLAIN:
            return text
        case Writing.BASE64:
            return base64.b64encode(text.encode()).decode()
        case Writing.HEX:
            return text.encode().hex()
        case Writing.URL:
            return quote(text, safe="")
        case Writing.JSON:
            return json.dumps(text)[1:-1]


def traces_of(text: str) -> frozenset[bytes]:
    """Return what would tell the text: each of its writings, Base64 wherever in a text it began."""
    plain = {written(text, writing).encode() for writing in Writing if writing != "base64"}
    unicode_free = json.dumps(text, ensure_ascii=False)[1:-1].encode()
    return frozenset(plain | {unicode_free} | set(_within_base64(text.encode())))


def _within_base64(content: bytes) -> Iterator[bytes]:
    for before, skipped in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(before) + content)[skipped:-4]
        yield encoded
        yield encoded.replace(b"+", b"-").replace(b"/", b"_")


def make_canaries(seed: int) -> tuple[Canary, ...]:
    """Return the forty; the same seed gives the same ones."""
    dice = random.Random(seed)
    fields = [
        Canary(f"{place} {writing}", _secret(dice), writing)
        for place in PLACES
        for writing in Writing
    ]
    variables = [Canary(f"variable {number}", _secret(dice)) for number in range(VARIABLES)]
    rest = [
        Canary(f"environment {number}", _secret(dice), list(Writing)[number])
        for number in range(IN_ENVIRONMENT)
    ]
    made = (*fields, *variables, *rest)
    assert len(made) == COUNT
    return made


def _secret(dice: random.Random) -> str:
    """Return a text that every writing writes otherwise."""
    return f'C{dice.randbytes(9).hex()}+/"é{dice.randbytes(6).hex()}'


def config_of(canaries: tuple[Canary, ...]) -> Mapping[str, object]:
    """Return an MCP config whose fields hold the secrets, literal ones and `${VAR}`."""
    servers: dict[str, object] = {}
    for number, canary in enumerate(canaries):
        servers[f"server-{number}"] = _server(canary, number)
    return {"mcpServers": servers, "servers": servers}


def _server(canary: Canary, number: int) -> dict[str, object]:
    secret = canary.planted
    match canary.place.split()[0]:
        case "env":
            return {"command": "run", "env": {"API_KEY": secret}}
        case "header":
            url = "https://example.invalid/mcp"
            return {"url": url, "headers": {"Authorization": f"Bearer {secret}"}}
        case "argument":
            return {"command": "run", "args": ["--token", secret, f"--key={secret}"]}
        case "user_info":
            return {"url": f"https://user:{quote_plus(secret)}@example.invalid/mcp"}
        case "query":
            return {"url": f"https://example.invalid/mcp?key={secret}"}
        case _:
            name = f"${{CANARY_{number}}}"
            return {"command": "run", "args": [name], "env": {"KEY": name}}


def environment_of(canaries: tuple[Canary, ...]) -> dict[str, str]:
    """Return the variables of the agent's environment that hold secrets."""
    return {
        f"CANARY_{number}": canary.planted
        for number, canary in enumerate(canaries)
        if canary.place.startswith(("variable", "environment"))
    }


__all__ = [
    "COUNT",
    "Canary",
    "Writing",
    "config_of",
    "environment_of",
    "make_canaries",
    "traces_of",
    "written",
]
