"""Text of models and changes on its way into a report: it shows, and does nothing else.

No mentions, images, links or commands come out of it, and hidden characters are drawn. A forge
looks for mentions, issues and commits in the text that Markdown has made, where an escaped
character is plain again: so a space without width, written as `&#8203;`, parts them.
"""

import re
from typing import Final

from driftpin.context.hidden_text import visible

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~!])")
_PARTED: Final = "&#8203;"
_ENTITIES: Final = str.maketrans({"&": "&amp;", "@": f"@{_PARTED}"})
_SCHEME: Final = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*):(?=//)|\b(www)\.", re.IGNORECASE)
_MAIL: Final = re.compile(r"\bmailto:", re.IGNORECASE)
_FENCE_RUN: Final = re.compile(r"`+")
_NUMBER: Final = re.compile(r"(?<=#)(?=\w)")
_ISSUE: Final = re.compile(r"\b(GH)-(?=\d)", re.IGNORECASE)
_COMMIT: Final = re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])([0-9a-f])(?=[0-9a-f]{6,39}\b)")


def plain(text: str) -> str:
    """Return text for one line of Markdown in which nothing is mark-up."""
    line = " ".join(visible(text).split())
    parted = _NUMBER.sub("\0", _COMMIT.sub("\\1\0", _ISSUE.sub("\\1\0-", line)))
    escaped = _MARKUP.sub(r"\\\1", parted).translate(_ENTITIES).replace("\0", _PARTED)
    escaped = _SCHEME.sub(_without_link, escaped)
    escaped = _MAIL.sub("mailto&#58;", escaped)
    return re.sub(r"^([-+/]|\d+\.)", r"\\\1", escaped)


def _without_link(found: re.Match[str]) -> str:
    return f"{found[1]}&#58;{_PARTED}" if found[1] else f"{found[2]}{_PARTED}&#46;"


def code_span(text: str) -> str:
    """Return text as code inside a line that it cannot leave."""
    line = " ".join(visible(text).split()).replace("|", "\\|")
    longest = max((len(run) for run in _FENCE_RUN.findall(line)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def code_block(text: str, margin: str = "") -> str:
    """Return text as a block of code that it cannot leave; `margin` stands before every line."""
    shown = "\n".join(f"{margin}{line}" for line in visible(text).split("\n"))
    longest = max((len(run) for run in _FENCE_RUN.findall(shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{shown}\n{fence}"


__all__ = ["code_block", "code_span", "plain"]
