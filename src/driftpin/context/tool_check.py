"""Is a live tool still the one that was pinned, and may it be called if it is not.

Being pinned is the approval of a definition. What a server offers at the moment of a call is
compared with it by digest; where the digests differ, a second digest tells whether only the
notation does. Server and agent make that second digest alike, so no definition has to travel.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import rfc8785

from driftpin.context.schema_meaning import TooComplex, normal_form
from driftpin.identity import Digest, digest_of

# The call that an agent answers by calling a tool.
MCP_CALL: Final = "mcp.call"
# The one that ends such a call, by its name; and how an agent tells how far one has come.
MCP_CANCEL: Final = "mcp.cancel"
MCP_PROGRESS: Final = "mcp.progress"
_SCHEMAS: Final = ("inputSchema", "outputSchema")


class ChangePolicy(StrEnum):
    """What becomes of a call whose tool is not the pinned one any more."""

    REFUSE = "refuse"
    WARN = "warn"
    ALLOW = "allow"


class Verdict(StrEnum):
    """What the comparison found; but for `same` it is the code that is written down."""

    SAME = "same"
    NOTATION = "tool_notation"
    CHANGED = "tool_changed"
    SERVER_CHANGED = "server_changed"
    GONE = "tool_gone"

    def is_passed_by(self, policy: ChangePolicy) -> bool:
        """Whether the call goes on; a tool that is gone cannot be called by anybody's leave."""
        if self in (Verdict.SAME, Verdict.NOTATION):
            return True
        return self is not Verdict.GONE and policy is not ChangePolicy.REFUSE


@dataclass(frozen=True, slots=True)
class PinnedIdentity:
    """What a pin says of a tool: its server, the digest of its definition and of its meaning."""

    server: Digest
    tool: Digest
    meaning: Digest


def meaning_of(definition: bytes) -> Digest:
    """Return the digest of a canonical definition with its schemas in their normal form."""
    read = json.loads(definition)
    for key in _SCHEMAS:
        try:
            read[key] = normal_form(read.get(key))
        except TooComplex:
            # Compared as it is written.
            continue
    return digest_of(rfc8785.dumps(read))


def compare_with_pin(pinned: PinnedIdentity, server: Digest, live: bytes | None) -> Verdict:
    """Return how the live server and its tool's canonical definition stand to the pinned ones."""
    if live is None:
        return Verdict.GONE
    if server != pinned.server:
        return Verdict.SERVER_CHANGED
    if digest_of(live) == pinned.tool:
        return Verdict.SAME
    return Verdict.NOTATION if meaning_of(live) == pinned.meaning else Verdict.CHANGED


__all__ = [
    "MCP_CALL",
    "MCP_CANCEL",
    "MCP_PROGRESS",
    "ChangePolicy",
    "PinnedIdentity",
    "Verdict",
    "compare_with_pin",
    "meaning_of",
]
