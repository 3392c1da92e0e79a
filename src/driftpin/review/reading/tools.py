"""The reading tools as reviewers are offered them: the same for all, so one prefix holds them."""

from collections.abc import Iterable
from typing import Final

import rfc8785

from driftpin import review_limits
from driftpin.identity import Digest, digest_of
from driftpin.wire.turns import ClientToolShape

READ_FILE: Final = "read_file"
LIST_FILES: Final = "list_files"
SEARCH: Final = "search"
DIFF: Final = "diff"
BLAME: Final = "blame"
# Rises when a tool answers the same call in another way.
VERSION: Final = 1

_PATH: Final = {
    "type": "string",
    "description": (
        "A path from the top of the repository, such as src/app.py, as `list_files` shows it. "
        "Where it is shown in double quotes, give it with them."
    ),
}
_SIDE: Final = {
    "type": "string",
    "enum": ["head", "base"],
    "default": "head",
    "description": "`head`: with the change; `base`: before it.",
}
_LINE: Final = {"type": "integer", "minimum": 1}


def _schema(required: list[str], **properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _lines(most: int) -> dict[str, object]:
    return {
        "first_line": {**_LINE, "description": "The first line, counted from 1."},
        "last_line": {**_LINE, "description": f"The last line; at most {most} at once."},
    }


def make_tool(name: str, description: str, parameters: dict[str, object]) -> ClientToolShape:
    """Return a tool as a chat declares it."""
    shown = {"name": name, "description": description, "parameters": parameters}
    return ClientToolShape.model_validate(shown)


READING_TOOLS: Final = (
    make_tool(
        BLAME,
        "Who last changed lines at the head: for each run of lines its commit, when it was "
        "written, and the commit's subject.",
        _schema(["path"], path=_PATH, **_lines(review_limits.REVIEW_READ_BLAME_LINES_MAX)),
    ),
    make_tool(
        DIFF,
        "The diff of one file of the change: against the base, or against the head that the last "
        "round looked at.",
        _schema(
            ["path"],
            path=_PATH,
            since={
                "type": "string",
                "enum": ["base", "last_round"],
                "default": "base",
                "description": "What to compare the head with.",
            },
            skip={
                "type": "integer",
                "minimum": 0,
                "default": 0,
                "description": "How many lines of the diff to leave out, to go on behind a cut.",
            },
        ),
    ),
    make_tool(
        LIST_FILES,
        "What a folder holds: files, folders with how many files are below them, links, "
        "submodules.",
        _schema(
            [],
            folder={**_PATH, "description": "A folder, such as src; the top if none."},
            side=_SIDE,
            all_below={
                "type": "boolean",
                "default": False,
                "description": "List every file below the folder, not its own entries alone.",
            },
            skip={
                "type": "integer",
                "minimum": 0,
                "default": 0,
                "description": "How many entries to leave out, to go on behind a cut.",
            },
        ),
    ),
    make_tool(
        READ_FILE,
        "The lines of a text file, with their numbers.",
        _schema(
            ["path"],
            path=_PATH,
            side=_SIDE,
            **_lines(review_limits.REVIEW_READ_LINES_MAX),
        ),
    ),
    make_tool(
        SEARCH,
        "Every line of text files that has a text, with its path and number.",
        _schema(
            ["text"],
            text={"type": "string", "description": "What to look for, inside of one line."},
            is_pattern={
                "type": "boolean",
                "default": False,
                "description": (
                    "Whether the text is an extended regular expression (POSIX, with \\b, \\w, "
                    "\\s, \\d); without references back and look-around."
                ),
            },
            ignore_case={"type": "boolean", "default": False},
            path={**_PATH, "description": "Only this file, or the files below this folder."},
            side=_SIDE,
            skip={
                "type": "integer",
                "minimum": 0,
                "default": 0,
                "description": "How many matches to leave out, to go on behind a cut.",
            },
        ),
    ),
)


def reading_digest() -> Digest:
    """Return the name of the tools as they are now: it stands in the manifest of a round."""
    return digest_of_tools(READING_TOOLS, VERSION)


def digest_of_tools(tools: Iterable[ClientToolShape], version: int) -> Digest:
    """Return a name for tools, and for how they answer."""
    shown = [tool.model_dump(mode="json") for tool in tools]
    return digest_of(rfc8785.dumps({"v": version, "tools": shown}))


__all__ = [
    "BLAME",
    "DIFF",
    "LIST_FILES",
    "READING_TOOLS",
    "READ_FILE",
    "SEARCH",
    "VERSION",
    "digest_of_tools",
    "make_tool",
    "reading_digest",
]
