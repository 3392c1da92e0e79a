"""From a file's exact bytes to the text that a model is given.

Six steps in a fixed order, so that hidden text cannot be assembled by removing other hidden text,
and cleaning what is clean changes nothing (spec/turns.md §3). The stored bytes stay as they are.
"""

import re
from typing import Final

from driftpin.chat.markers import LEFT_STAND_IN, RIGHT_STAND_IN, make_harmless
from driftpin.context.hidden_text import HIDDEN_CLASS, NON_JOINER

_LINE_END: Final = re.compile("\r\n|[\r\u2028\u2029]")
_BLANK_LINES: Final = re.compile(r"(?<=\n)\n{3,}|\A\n{3,}")
_HIDDEN: Final = re.compile(f"(?!{NON_JOINER})[{HIDDEN_CLASS}]")
_HIDDEN_BUT_TERMINAL: Final = re.compile(f"(?![{NON_JOINER}\x07\x1b\x9b])[{HIDDEN_CLASS}]")
_TERMINAL_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
)
_RUN: Final = re.compile(r"[^->]+|[->]")
_OUTSIDE_MARKS: Final = str.maketrans({'"': "'", "<": LEFT_STAND_IN, ">": RIGHT_STAND_IN})
_COMMENT_OPEN: Final = "<!--"
_COMMENT_CLOSE: Final = "-->"


def clean_text(text: str) -> str:
    """Return `text` as a prompt may show it.

    In order: line ends to LF; hidden characters removed; HTML comments removed until none is left;
    imitated marks and provider tokens defused; trailing space trimmed; three or more blank lines to
    one. `clean_text(clean_text(text)) == clean_text(text)` for every text.
    """
    visible = remove_hidden(_LINE_END.sub("\n", text))
    return _trim(make_harmless(remove_comments(visible)))


def clean_line(text: str) -> str:
    """Return `text` cleaned and folded to one line, for names and descriptions."""
    # What stood behind a space can stand at the beginning now.
    return make_harmless(" ".join(clean_text(text).split()))


def show_source(source: str) -> str:
    """Return a source as it stands inside a mark: one line, without quotes or angle brackets."""
    return clean_line(source).translate(_OUTSIDE_MARKS)


def remove_hidden(text: str) -> str:
    """Return `text` without hidden characters and terminal sequences.

    The zero-width non-joiner stays: Persian and several Indian scripts are spelled with it.
    """
    without_splitters = _HIDDEN_BUT_TERMINAL.sub("", text)
    return _HIDDEN.sub("", _TERMINAL_SEQUENCE.sub("", without_splitters))


def remove_comments(text: str) -> str:
    """Return `text` without HTML comments, also those that removing others would have formed.

    One pass that behaves like removing until nothing changes: what is kept is looked at again
    whenever it grows, so a comment that closes over a removed one goes too. A comment that never
    closes is kept as text.
    """
    if _COMMENT_OPEN not in text:
        return text
    kept: list[str] = []
    opened_at: int | None = None
    for match in _RUN.finditer(text):
        kept.extend(match[0])
        if opened_at is None and _ends_with(kept, _COMMENT_OPEN):
            opened_at = len(kept) - len(_COMMENT_OPEN)
        elif opened_at is not None and _closes(kept, opened_at):
            del kept[opened_at:]
            opened_at = None
    return "".join(kept)


def _ends_with(kept: list[str], mark: str) -> bool:
    return "".join(kept[-len(mark) :]) == mark


def _closes(kept: list[str], opened_at: int) -> bool:
    is_long_enough = len(kept) >= opened_at + len(_COMMENT_OPEN) + len(_COMMENT_CLOSE)
    return is_long_enough and _ends_with(kept, _COMMENT_CLOSE)


def _trim(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n", lines).rstrip()


__all__ = ["clean_line", "clean_text", "remove_comments", "remove_hidden", "show_source"]
