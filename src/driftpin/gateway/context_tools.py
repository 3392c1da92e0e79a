"""The three tools about the pin itself: how it stands, what differs, and moving it to that.

What they do is done elsewhere, by the same code that answers the API; here is how it is offered.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from driftpin import limits
from driftpin.chat.mcp_tools import ToolListing
from driftpin.chat.tools import ToolDefinition, ToolResult
from driftpin.context.schema_rules import check_arguments
from driftpin.errors import DriftpinError, Rejected, StorageTrouble
from driftpin.gateway.visitor import Visitor
from driftpin.identity import DIGEST_PATTERN, Digest

STATUS: Final = "context_status"
DIFF: Final = "context_diff"
REFRESH: Final = "context_refresh"
NAMES: Final = frozenset({STATUS, DIFF, REFRESH})
_NOTHING: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}
_READING: Final = (
    ToolDefinition(
        STATUS,
        "Tell what this chat's context is pinned to, and whether its workspace has moved on since.",
        _NOTHING,
    ),
    ToolDefinition(
        DIFF,
        "Show what lies between the pinned context and the newest one of the workspace, with the"
        " text of every difference. Its `head` is what context_refresh takes.",
        _NOTHING,
    ),
)
_MOVING: Final = ToolDefinition(
    REFRESH,
    "Move the pin to the newest context of the workspace, which is to be the one that context_diff"
    " showed. Only when the person you work for wants it.",
    {
        "type": "object",
        "properties": {
            "to": {
                "type": "string",
                "pattern": f"^{DIGEST_PATTERN.pattern}$",
                "description": "The `head` that context_diff showed.",
            },
            "dry_run": {"type": "boolean", "description": "Only say whether it could be done."},
        },
        "required": ["to"],
        "additionalProperties": False,
    },
)


class ContextVerbs(Protocol):
    """What the tools do; every method gives JSON, and raises a DriftpinError for a refusal."""

    async def status(self, visitor: Visitor) -> dict[str, Any]:
        """Tell what the pin is and how the head differs."""

    async def diff(self, visitor: Visitor, *, has_texts: bool) -> dict[str, Any]:
        """Tell what differs, with the texts or without."""

    async def refresh(self, visitor: Visitor, to: Digest, *, dry_run: bool) -> dict[str, Any]:
        """Move the pin to that head, or only look; tell what the pin is then."""


def listing_of(tool: ToolDefinition) -> ToolListing:
    """Return what a client is told of one of them before it asks its user."""
    return ToolListing(
        hints={
            "readOnlyHint": tool is not _MOVING,
            "destructiveHint": False,
            "openWorldHint": False,
        }
    )


def definitions_for(visitor: Visitor) -> tuple[ToolDefinition, ...]:
    """Return what is offered: the move only to whoever may make it."""
    return (*_READING, _MOVING) if visitor.may_update else _READING


async def call_context_tool(
    verbs: ContextVerbs, visitor: Visitor, tool: ToolDefinition, arguments: Mapping[str, Any]
) -> ToolResult:
    """Carry out a call of one of them; a refusal is its result."""
    try:
        pointer = check_arguments(tool.parameters, dict(arguments))
        if pointer is not None:
            raise Rejected(
                f"The arguments break the tool's schema at {pointer or '/'!r}.",
                code="invalid_arguments",
            )
        return ToolResult(await _answer(verbs, visitor, tool.name, arguments))
    except StorageTrouble:
        raise
    except DriftpinError as refusal:
        told = {"code": refusal.code, "message": refusal.message, **refusal.fields}
        return ToolResult(json.dumps(told), is_error=True, code=refusal.code)


async def _answer(
    verbs: ContextVerbs, visitor: Visitor, name: str, arguments: Mapping[str, Any]
) -> str:
    match name:
        case "context_status":
            return json.dumps(await verbs.status(visitor))
        case "context_diff":
            return await _diff(verbs, visitor)
        case _:
            to, is_dry = Digest(str(arguments["to"])), arguments.get("dry_run") is True
            return json.dumps(await verbs.refresh(visitor, to, dry_run=is_dry))


async def _diff(verbs: ContextVerbs, visitor: Visitor) -> str:
    """Return the difference; without its texts, and saying so, where they are too long."""
    told = json.dumps(await verbs.diff(visitor, has_texts=True))
    if len(told) <= limits.TOOL_RESULT_BYTES_MAX:
        return told
    shorter = await verbs.diff(visitor, has_texts=False)
    return json.dumps({**shorter, "texts_left_out": "too long for a tool's result"})


__all__ = ["NAMES", "ContextVerbs", "call_context_tool", "definitions_for", "listing_of"]
