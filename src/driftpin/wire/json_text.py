"""Reading JSON that a stranger wrote.

Parsers agree on good JSON and on nothing else: the last of two equal keys wins, NaN passes, a lone
surrogate becomes text that no database takes. Everything of that kind is refused here, before any
shape looks at the value.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NoReturn

from driftpin import limits
from driftpin.errors import Malformed, Rejected

JsonText = None | bool | int | float | str | list["JsonText"] | dict[str, "JsonText"]

BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# The closing quote is optional, so that an unterminated string ends the match, not a search.
STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
NOT_A_BRACKET: Final = re.compile(r"[^\[\]{}]+")
SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
BRACKET_STEP: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
BRACKETS_PER_LOOK: Final = 65_536


class _DuplicateKey(ValueError):
    """An object names one key twice."""


class _BadNumber(ValueError):
    """A number that no other parser reads alike; `text` is how it was written."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def parse_json(body: bytes) -> JsonText:
    """Return the value that `body` writes.

    Raises Malformed: `bad_json` with the byte `offset`, `duplicate_key`, `too_deep`; and Rejected
    (`control_char`) for a NUL in a text.
    """
    text = _decoded(body)
    _refuse_depth(text)
    try:
        value: JsonText = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse(text, error.pos)
    except _DuplicateKey as error:
        raise Malformed(
            "A key stands twice in one object.", code="duplicate_key", key=str(error)
        ) from None
    except _BadNumber as error:
        _refuse(text, max(text.find(error.text), 0))
    _refuse_odd_texts(text, value)
    return value


def _decoded(body: bytes) -> str:
    if body.startswith(BYTE_ORDER_MARKS):
        raise Malformed("JSON starts with a byte order mark.", code="bad_json", offset=0)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("JSON is not UTF-8.", code="bad_json", offset=error.start) from None


def _refuse_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= limits.JSON_DEPTH_MAX:
        return
    brackets = NOT_A_BRACKET.sub("", STRING.sub("", text))
    depth = 0
    for start in range(0, len(brackets), BRACKETS_PER_LOOK):
        steps = map(BRACKET_STEP.__getitem__, brackets[start : start + BRACKETS_PER_LOOK])
        depths = list(accumulate(steps, initial=depth))
        if max(depths) > limits.JSON_DEPTH_MAX:
            raise Malformed(
                "JSON is nested too deeply.", code="too_deep", maximum=limits.JSON_DEPTH_MAX
            )
        depth = depths[-1]


def _refuse(text: str, position: int) -> NoReturn:
    offset = len(text[:position].encode("utf-8"))
    raise Malformed("This is not JSON.", code="bad_json", offset=offset) from None


def _refuse_odd_texts(text: str, value: JsonText) -> None:
    surrogate = SURROGATE_ESCAPE.search(text)
    if surrogate is not None and any(not _is_writable(found) for _, found in _texts(value)):
        _refuse(text, surrogate.start())
    if "\\u0000" in text:
        for pointer, found in _texts(value):
            if "\0" in found:
                raise Rejected("A text holds a NUL.", code="control_char", pointer=pointer)


def _is_writable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _texts(value: JsonText) -> Iterator[tuple[str, str]]:
    """Give every text with its JSON pointer, keys included, without recursion."""
    waiting: list[tuple[str, JsonText]] = [("", value)]
    while waiting:
        pointer, found = waiting.pop()
        match found:
            case str():
                yield pointer, found
            case list():
                waiting.extend((f"{pointer}/{index}", item) for index, item in enumerate(found))
            case dict():
                yield from ((pointer, key) for key in found)
                waiting.extend((f"{pointer}/{_escaped(key)}", item) for key, item in found.items())
            case _:
                pass


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def pointer_to(location: tuple[int | str, ...]) -> str:
    """Return the JSON pointer (RFC 6901) of a location, fit to be sent back."""
    pointer = "".join(f"/{_escaped(str(part))}" for part in location)
    return pointer.encode("ascii", "backslashreplace").decode("ascii")[:POINTER_CHARACTERS_MAX]


POINTER_CHARACTERS_MAX: Final = 300


def _unique_pairs(pairs: list[tuple[str, JsonText]]) -> dict[str, JsonText]:
    found = dict(pairs)
    if len(found) != len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise _DuplicateKey(pointer_to((twice,))[1:])
    return found


def _whole_number(text: str) -> int:
    if len(text) > limits.JSON_NUMBER_CHARACTERS_MAX:
        raise _BadNumber(text)
    return int(text)


def _real_number(text: str) -> float:
    number = float(text) if len(text) <= limits.JSON_NUMBER_CHARACTERS_MAX else math.inf
    if math.isinf(number):
        raise _BadNumber(text)
    return number


def _constant(text: str) -> NoReturn:
    raise _BadNumber(text)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique_pairs,
    parse_int=_whole_number,
    parse_float=_real_number,
    parse_constant=_constant,
)

__all__ = ["JsonText", "parse_json", "pointer_to"]
