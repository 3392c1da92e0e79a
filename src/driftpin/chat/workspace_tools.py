"""The tools that look into the workspace itself, as models are offered them.

They are carried out by the workspace's agent, read only, and never outside its root (`agent`).
"""

from typing import Final

from driftpin.chat.tools import ToolDefinition
from driftpin.context.manifest import Json

READ_FILE: Final = "read_file"
LIST_FILES_TOOL: Final = "list_files"
SEARCH_FILES_TOOL: Final = "search_files"
# What the agent calls them.
READ_FILES: Final = "files.read"
LIST_FILES: Final = "files.list"
SEARCH_FILES: Final = "files.search"
CALLS: Final = {
    READ_FILE: READ_FILES,
    LIST_FILES_TOOL: LIST_FILES,
    SEARCH_FILES_TOOL: SEARCH_FILES,
}

_FOLDER: Final[dict[str, Json]] = {
    "type": "string",
    "description": "A folder below the workspace's root, such as src; the whole workspace if none.",
}
_GLOB: Final[dict[str, Json]] = {
    "type": "string",
    "description": (
        "Only files that match, such as *.py or src/**/*.ts. Without a slash it is for the name "
        "alone."
    ),
}

WORKSPACE_TOOLS: Final = (
    ToolDefinition(
        READ_FILE,
        "Read a text file of the workspace as it is now, or some lines of it.",
        {
            "type": "object",
            "properties": {
                "path": {
                    "type": "string",
                    "description": "The file's path below the workspace's root.",
                },
                "first_line": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "The first line to show, counted from 1.",
                },
                "last_line": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "The last line to show.",
                },
            },
            "required": ["path"],
            "additionalProperties": False,
        },
    ),
    ToolDefinition(
        LIST_FILES_TOOL,
        "List the files of the workspace, without hidden ones, caches and installed packages.",
        {
            "type": "object",
            "properties": {"folder": _FOLDER, "glob": _GLOB},
            "additionalProperties": False,
        },
    ),
    ToolDefinition(
        SEARCH_FILES_TOOL,
        "Search the text files of the workspace, and show each line that has the text.",
        {
            "type": "object",
            "properties": {
                "text": {"type": "string", "description": "What to look for, letter by letter."},
                "is_pattern": {
                    "type": "boolean",
                    "description": "Whether the text is a regular expression.",
                },
                "folder": _FOLDER,
                "glob": _GLOB,
            },
            "required": ["text"],
            "additionalProperties": False,
        },
    ),
)

__all__ = [
    "CALLS",
    "LIST_FILES",
    "LIST_FILES_TOOL",
    "READ_FILE",
    "READ_FILES",
    "SEARCH_FILES",
    "SEARCH_FILES_TOOL",
    "WORKSPACE_TOOLS",
]
