"""The marks that give a prompt its structure, and what keeps other text from imitating them.

Every mark of ours is a tag whose name begins with `driftpin-`. Text from anywhere else (files,
messages, tool results, names of sources) goes through `make_harmless` first, so that the tags in a
finished prompt are exactly the ones that this package wrote, and `marks_in` can count them.
"""

import re
from typing import Final

from driftpin.context.hidden_text import HIDDEN_CLASS
from driftpin.identity import Digest

CONTEXT_OPEN: Final = "<driftpin-context>"
SKILLS_OPEN: Final = "<driftpin-skills>"
SKILLS_CLOSE: Final = "</driftpin-skills>"
FILE_CLOSE: Final = "</driftpin-file>"
ROLE_OPEN: Final = "<driftpin-role>"
ROLE_CLOSE: Final = "</driftpin-role>"
VOLATILE_OPEN: Final = "<driftpin-now>"
VOLATILE_CLOSE: Final = "</driftpin-now>"

_HIDDEN_OR_SPACE: Final = rf"[\s/{HIDDEN_CLASS}]*"
_OUR_MARK: Final = rf"[<\uff1c\ufe64](?={_HIDDEN_OR_SPACE}driftpin-)"
# Control tokens of chat templates and of providers, each by its first character and what follows.
_ANGLE_TOKENS: Final = (
    r"\|[^\s<>|]{1,64}\|>",
    r"\uff5c[^\s<>\uff5c]{1,64}\uff5c>",
    r"/?(?:s|bos|eos|pad|unk|sop|eop)>",
    r"(?:start|end)_of_(?:turn|image)>",
    r"</?SYS>>",
    r"/?antml:",
    r"/?(?:tool_call|tool_response|function_calls|function_results)>",
)
_SQUARE_TOKENS: Final = (
    r"/?INST\]",
    r"/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS)\]",
    r"gMASK\]",
)
_TOKEN: Final = rf"<(?={'|'.join(_ANGLE_TOKENS)})|\[(?={'|'.join(_SQUARE_TOKENS)})"
_HARMFUL: Final = re.compile(f"{_OUR_MARK}|{_TOKEN}", re.IGNORECASE)
_OURS: Final = re.compile(_OUR_MARK, re.IGNORECASE)
# The labels that old completion models took for a change of speaker.
_SPEAKER: Final = re.compile(r"^(Human|Assistant):", re.MULTILINE)
# Look-alikes that mean nothing: single angle quotation marks, and a white square bracket.
LEFT_STAND_IN: Final = "\u2039"
RIGHT_STAND_IN: Final = "\u203a"
_SQUARE_STAND_IN: Final = "\u27e6"


def make_harmless(text: str) -> str:
    """Return `text` with everything defused that could pass for a mark or a provider's token.

    Only the first character changes, to one that looks alike and means nothing, so a reader still
    sees what stood there. Doing it again changes nothing: what is defused inside a token can make
    it one, so it is done until nothing is left to do.
    """
    defused, before = _HARMFUL.sub(_stand_in, text), text
    while defused != before:
        defused, before = _HARMFUL.sub(_stand_in, defused), defused
    return _SPEAKER.sub(rf"{LEFT_STAND_IN}\1{RIGHT_STAND_IN}:", defused)


def _stand_in(match: re.Match[str]) -> str:
    return _SQUARE_STAND_IN if match[0] == "[" else LEFT_STAND_IN


def marks_in(text: str) -> int:
    """Return how many of our marks stand in `text`, genuine or imitated, opening or closing."""
    return sum(1 for _ in _OURS.finditer(text))


def context_close(prompt_digest: Digest | None) -> str:
    """Return the mark that closes the context block.

    It names the prompt digest, which no file in the block can contain, since the digest is made
    from the files.
    """
    return f"</driftpin-context {prompt_digest or 'nothing-published'}>"


def file_open(shown_source: str) -> str:
    """Return the mark that opens one file; the source has been through `cleaning.show_source`."""
    return f'<driftpin-file source="{shown_source}">'


__all__ = [
    "CONTEXT_OPEN",
    "FILE_CLOSE",
    "LEFT_STAND_IN",
    "RIGHT_STAND_IN",
    "ROLE_CLOSE",
    "ROLE_OPEN",
    "SKILLS_CLOSE",
    "SKILLS_OPEN",
    "VOLATILE_CLOSE",
    "VOLATILE_OPEN",
    "context_close",
    "file_open",
    "make_harmless",
    "marks_in",
]
