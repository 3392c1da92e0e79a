"""The one table of characters that a reader does not see, and how they are drawn.

The scanner warns about what stands here, the diff draws it, and the prompt is cleaned of it
(`chat.cleaning`). A character is listed for a reason, said beside it; whole blocks that Unicode
reserves as default-ignorable are listed too, since fonts draw nothing for them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from driftpin import limits


class HiddenKind(StrEnum):
    """Why a character is hidden."""

    BIDI = "bidi"
    ZERO_WIDTH = "zero_width"
    JOINER = "joiner"
    TAG = "tag"
    VARIATION_SELECTOR = "variation_selector"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class HiddenRange:
    """Code points `first` to `last`, both included, hidden for one `reason`."""

    first: int
    last: int
    kind: HiddenKind
    reason: str


_B, _Z, _J, _T, _V, _C = HiddenKind

HIDDEN_RANGES: Final = (
    HiddenRange(0x0000, 0x0008, _C, "C0 controls before the tab"),
    HiddenRange(0x000B, 0x000C, _C, "vertical tab and form feed: a line end that editors hide"),
    HiddenRange(0x000E, 0x001F, _C, "C0 controls, the escape of terminals among them"),
    HiddenRange(0x007F, 0x009F, _C, "delete and the C1 controls: terminals obey them"),
    HiddenRange(0x00AD, 0x00AD, _Z, "soft hyphen: splits a word unseen"),
    HiddenRange(0x034F, 0x034F, _Z, "combining grapheme joiner: draws nothing"),
    HiddenRange(0x061C, 0x061C, _B, "Arabic letter mark: turns the reading direction"),
    HiddenRange(0x115F, 0x1160, _Z, "Hangul fillers: letters that draw nothing"),
    HiddenRange(0x17B4, 0x17B5, _Z, "Khmer inherent vowels: draw nothing"),
    HiddenRange(0x180B, 0x180D, _V, "Mongolian variation selectors"),
    HiddenRange(0x180E, 0x180E, _Z, "Mongolian vowel separator: no width"),
    HiddenRange(0x180F, 0x180F, _V, "Mongolian variation selector"),
    HiddenRange(0x200B, 0x200B, _Z, "zero width space"),
    HiddenRange(0x200C, 0x200C, _J, "zero width non-joiner: part of Persian and Indic spelling"),
    HiddenRange(0x200D, 0x200D, _J, "zero width joiner: part of emoji and Indic spelling"),
    HiddenRange(0x200E, 0x200F, _B, "direction marks"),
    HiddenRange(0x2028, 0x2029, _Z, "line and paragraph separators: breaks that editors hide"),
    HiddenRange(0x202A, 0x202E, _B, "direction embeddings and overrides"),
    HiddenRange(0x2060, 0x2065, _Z, "word joiner and invisible operators"),
    HiddenRange(0x2066, 0x2069, _B, "direction isolates"),
    HiddenRange(0x206A, 0x206F, _Z, "deprecated format characters"),
    HiddenRange(0x3164, 0x3164, _Z, "Hangul filler: a letter that draws nothing"),
    HiddenRange(0xFE00, 0xFE0F, _V, "variation selectors: can carry data, one byte each"),
    HiddenRange(0xFEFF, 0xFEFF, _Z, "byte order mark, or zero width no-break space"),
    HiddenRange(0xFFA0, 0xFFA0, _Z, "half-width Hangul filler"),
    HiddenRange(0xFFF0, 0xFFF8, _Z, "reserved as default-ignorable"),
    HiddenRange(0xFFF9, 0xFFFB, _Z, "interlinear annotation: text beside the text"),
    HiddenRange(0x1BCA0, 0x1BCA3, _Z, "shorthand format controls"),
    HiddenRange(0x1D173, 0x1D17A, _Z, "musical format controls"),
    HiddenRange(0xE0000, 0xE007F, _T, "tags: an invisible copy of ASCII"),
    HiddenRange(0xE0080, 0xE00FF, _Z, "reserved as default-ignorable"),
    HiddenRange(0xE0100, 0xE01EF, _V, "variation selectors: can carry data, one byte each"),
    HiddenRange(0xE01F0, 0xE0FFF, _Z, "reserved as default-ignorable"),
)

NON_JOINER: Final = "\u200c"
BYTE_ORDER_MARK: Final = "\ufeff"
_BLACK_FLAG: Final = "\U0001f3f4"
_CANCEL_TAG: Final = "\U000e007f"
# The flags that Unicode recommends for interchange: England, Scotland, Wales.
_FLAG_TAGS: Final = frozenset({"gbeng", "gbsct", "gbwls"})
_KEYCAP_BASES: Final = frozenset("#*0123456789")
_ASCII_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WHITE_SPACE: Final = re.compile(r"[ \t\r\n]+")
# White space shrinks, so a little more text than the preview is long is looked at.
_PREVIEW_FACTOR: Final = 4


def _character_class(*kinds: HiddenKind) -> str:
    return "".join(
        f"\\U{hidden.first:08x}-\\U{hidden.last:08x}"
        for hidden in HIDDEN_RANGES
        if hidden.kind in kinds
    )


HIDDEN_CLASS: Final = _character_class(*HiddenKind)
HIDDEN_PATTERN: Final = re.compile(f"[{HIDDEN_CLASS}]")
_RUNS: Final = re.compile(
    "|".join(f"(?P<{kind.value}>[{_character_class(kind)}]+)" for kind in HiddenKind)
)


@dataclass(frozen=True, slots=True)
class HiddenRun:
    """Neighbouring hidden characters of one kind, where they stand in a text."""

    start: int
    text: str
    kind: HiddenKind


def hidden_runs(text: str) -> Iterator[HiddenRun]:
    """Yield every run that has no ordinary reason to be there, in order.

    Ordinary are: a byte order mark that starts the text, one variation selector or joiner where an
    emoji or a script beyond ASCII needs it, and the tags of a recommended flag.
    """
    if text.isascii() and _ASCII_CONTROL.search(text) is None:
        return
    for match in _RUNS.finditer(text):
        kind = HiddenKind(match.lastgroup or "")
        run = HiddenRun(match.start(), match.group(), kind)
        if not _is_ordinary(run, text):
            yield run


def visible(text: str) -> str:
    r"""Return the text with every hidden character drawn, as in `\u{200B}`; CRs are drawn too."""
    drawn = HIDDEN_PATTERN.sub(lambda match: escape(match.group()), text)
    return drawn.replace("\r", escape("\r")) if "\r" in drawn else drawn


def escape(character: str) -> str:
    r"""Return the visible form of one character: `\u{` its code point in hexadecimal `}`."""
    return f"\\u{{{ord(character):04X}}}"


def preview_of(text: str) -> str:
    """Return the text on one line, hidden characters drawn, cut to the limit with an ellipsis."""
    longest = limits.FINDING_PREVIEW_CHARACTERS_MAX
    on_one_line = _WHITE_SPACE.sub(" ", text[: _PREVIEW_FACTOR * longest]).strip(" ")
    drawn = visible(on_one_line)
    is_cut = len(drawn) > longest or len(text) > _PREVIEW_FACTOR * longest
    return drawn[: longest - 1] + "…" if is_cut else drawn


def decoded_tags(text: str) -> str:
    """Return the ASCII text that a run of tag characters spells."""
    letters = (ord(character) - 0xE0000 for character in text)
    return "".join(chr(letter) for letter in letters if 0x20 <= letter < 0x7F)


def _is_ordinary(run: HiddenRun, text: str) -> bool:
    before = text[run.start - 1] if run.start else ""
    after = text[run.start + len(run.text) : run.start + len(run.text) + 1]
    match run.kind:
        case HiddenKind.ZERO_WIDTH:
            return run.start == 0 and run.text == BYTE_ORDER_MARK
        case HiddenKind.VARIATION_SELECTOR:
            return len(run.text) == 1 and (before > "\x7f" or before in _KEYCAP_BASES)
        case HiddenKind.JOINER:
            return len(run.text) == 1 and before > "\x7f" and after > "\x7f"
        case HiddenKind.TAG:
            is_flag = before == _BLACK_FLAG and run.text.endswith(_CANCEL_TAG)
            return is_flag and decoded_tags(run.text) in _FLAG_TAGS
        case HiddenKind.BIDI | HiddenKind.CONTROL:
            return False
        case _:
            assert_never(run.kind)


__all__ = [
    "BYTE_ORDER_MARK",
    "HIDDEN_CLASS",
    "HIDDEN_PATTERN",
    "HIDDEN_RANGES",
    "NON_JOINER",
    "HiddenKind",
    "HiddenRange",
    "HiddenRun",
    "decoded_tags",
    "escape",
    "hidden_runs",
    "preview_of",
    "visible",
]
