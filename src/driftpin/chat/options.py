"""What is chosen when a chat is made, and holds for as long as it lives.

A client may declare tools of its own: a call of one is carried out by the client, not here. A chat
may be allowed to start sub-chats (`spawn`). A role is told to the model behind its context.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from driftpin import limits
from driftpin.chat.tools import ToolDefinition
from driftpin.context.schema_rules import find_schema_fault
from driftpin.errors import Rejected

TOOL_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
SPAWN: Final = ToolDefinition(
    name="spawn",
    description=(
        "Give a task to a helper: another chat with the same pinned context, which knows nothing "
        "of this conversation. Say everything it needs. Its answer is the result. Several calls at "
        "once run side by side."
    ),
    parameters={
        "type": "object",
        "properties": {
            "task": {"type": "string", "description": "What the helper is to do, in full."},
            "role": {"type": "string", "description": "Who the helper is to be, if it matters."},
        },
        "required": ["task"],
        "additionalProperties": False,
    },
)
# Names of tools that chats have by themselves. Those that look into a workspace are not among
# them: a client that has files of its own to show declares its tools in their place.
TAKEN: Final = frozenset({SPAWN.name, "read_skill", "read_skill_file"})
# Stands between server and tool in the names of MCP tools.
SEPARATOR: Final = "__"


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What was chosen; by default no tools of a client, no sub-chats by the model, no role."""

    tools: tuple[ToolDefinition, ...] = ()
    may_spawn: bool = False
    role: str = ""


NO_OPTIONS: Final = ChatOptions()


def refuse_bad_options(options: ChatOptions) -> None:
    """Raise Rejected for a role that is too long and for tools that no model could be offered.

    Codes: `too_long`, `too_many_tools`, `bad_tool_name`, `tool_name_taken`, `bad_schema`.
    """
    if len(options.role.encode()) > limits.ROLE_BYTES_MAX:
        text = f"A role may have {limits.ROLE_BYTES_MAX} bytes."
        raise Rejected(text, code="too_long", field="role", bytes_max=limits.ROLE_BYTES_MAX)
    size_bytes = sum(_size_bytes(tool) for tool in options.tools)
    if len(options.tools) > limits.CLIENT_TOOLS_MAX or size_bytes > limits.CLIENT_TOOLS_BYTES_MAX:
        raise Rejected(
            f"A chat may have {limits.CLIENT_TOOLS_MAX} tools of its client, of "
            f"{limits.CLIENT_TOOLS_BYTES_MAX} bytes together.",
            code="too_many_tools",
            field="tools",
        )
    _refuse_names([tool.name for tool in options.tools])
    for tool in options.tools:
        fault = find_schema_fault(tool.parameters, is_input=True)
        if fault is not None:
            text = f"The parameters of {tool.name!r} are no schema that can be checked: {fault}."
            raise Rejected(text, code="bad_schema", field="tools", tool=tool.name)


def _refuse_names(names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        if TOOL_NAME.fullmatch(name) is None:
            raise Rejected(
                f"{name!r} is no name of a tool: up to 64 letters, digits, `_` and `-`.",
                code="bad_tool_name",
                field="tools",
            )
        if name in TAKEN or SEPARATOR in name or name in names[:index]:
            raise Rejected(f"{name!r} is the name of another tool.", code="tool_name_taken")


def _size_bytes(tool: ToolDefinition) -> int:
    return len(f"{tool.name}{tool.description}{json.dumps(tool.parameters)}".encode())


__all__ = ["NO_OPTIONS", "SPAWN", "ChatOptions", "refuse_bad_options"]
