"""The header of a `SKILL.md`: found, read strictly, and where that fails read leniently.

A header is hostile input. It is read event by event, so that nothing is ever constructed: no
aliases, no tags, no dates, no deep nesting. A failure is a value with a fixed reason and a place;
what the file says is never repeated in it.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

import yaml

from driftpin.context.resource import Finding
from driftpin.limits import (
    FRONT_MATTER_BYTES_MAX,
    SKILL_DESCRIPTION_CHARACTERS_MAX,
    SKILL_NAME_CHARACTERS_MAX,
    YAML_DEPTH_MAX,
    YAML_EVENTS_MAX,
)

try:
    from yaml import CSafeLoader as FastestLoader
except ImportError:
    from yaml import SafeLoader as FastestLoader  # type: ignore[assignment]  # built without libyaml

YamlLoader = type[yaml.CSafeLoader] | type[yaml.SafeLoader]

NAME_PATTERN: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
KNOWN_KEYS: Final = frozenset(
    {"allowed-tools", "compatibility", "description", "license", "metadata", "name"}
)
UNKNOWN_KEYS_REPORTED_MAX: Final = 10
PREVIEW_CHARACTERS_MAX: Final = 64

_BYTE_ORDER_MARK: Final = "\ufeff"
_DELIMITER: Final = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)
_LENIENT_PAIR: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):(?:[ \t]+(.*))?")
_BLOCK_SCALAR: Final = re.compile(r"[|>][-+0-9]*")
_QUOTED_CHARACTERS_MIN: Final = 2
_TEXT_TAGS: Final = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"})
_NULL_TAG: Final = "tag:yaml.org,2002:null"


@dataclass(frozen=True, slots=True)
class SkillHeader:
    """A header that is usable, with what is worth a look in it."""

    name: str
    description: str
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class HeaderRefusal:
    """Why a header is not usable; `line` and `column` count from 1 in the whole file."""

    reason: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """A text cut at its delimiters; neither part contains them."""

    header: str
    body: str


@dataclass(frozen=True, slots=True)
class _Value:
    text: str | None
    is_plain: bool
    line: int
    column: int

    @property
    def tag(self) -> str:
        """Which type YAML 1.1 would give it; a quoted or block scalar is always text."""
        if not self.is_plain or self.text is None:
            return "tag:yaml.org,2002:str"
        return _implicit_tag(self.text)


@dataclass(slots=True)
class _Frame:
    is_mapping: bool
    expects_key: bool
    keys: set[str] = field(default_factory=set)


class _Mark(Protocol):
    """A place in a header as either parser gives it; both count from 0."""

    @property
    def line(self) -> int: ...

    @property
    def column(self) -> int: ...


class _BrokenError(Exception):
    """Leaves the reading of a header; never leaves this module."""

    def __init__(self, reason: str, mark: _Mark | None) -> None:
        super().__init__(reason)
        line, column = _place_of(mark) if mark is not None else (None, None)
        self.refusal = HeaderRefusal(reason, line, column)


def split_front_matter(text: str) -> FrontMatter | HeaderRefusal:
    """Cut a text at its two `---` lines; a byte order mark and CRLF are no obstacle.

    The first line must be the delimiter, and the next line that is nothing else closes it. What
    comes after, more YAML included, is body.
    """
    text = text.removeprefix(_BYTE_ORDER_MARK)
    opening = _DELIMITER.match(text)
    if opening is None:
        return HeaderRefusal("no_front_matter", 1, 1)
    start = opening.end() + 1
    closing = _DELIMITER.search(text, start)
    if closing is None:
        return HeaderRefusal("front_matter_open", 1, 1)
    return FrontMatter(text[start : closing.start()], text[closing.end() + 1 :])


def read_skill_header(
    text: str, directory: str, *, loader: YamlLoader = FastestLoader
) -> SkillHeader | HeaderRefusal:
    """Return the header of a `SKILL.md` that lies in a directory of that name.

    `loader` is the YAML parser: the one built on libyaml where it exists, else the pure one.
    """
    cut = split_front_matter(text)
    if isinstance(cut, HeaderRefusal):
        return cut
    if len(cut.header.encode()) > FRONT_MATTER_BYTES_MAX:
        return HeaderRefusal("front_matter_size", 2, 1)
    try:
        return _header_of(_read_strictly(cut.header, loader), directory)
    except _BrokenError as broken:
        if broken.refusal.reason != "yaml_syntax":
            return broken.refusal
        return _read_what_is_left(cut.header, directory, broken.refusal)


def _read_what_is_left(
    header: str, directory: str, syntax: HeaderRefusal
) -> SkillHeader | HeaderRefusal:
    pairs = _read_leniently(header)
    if pairs is None:
        return HeaderRefusal("yaml_duplicate", syntax.line, syntax.column)
    read = _header_of(pairs, directory)
    if isinstance(read, HeaderRefusal):
        # A rule that the saved value breaks says more than the line that had to be saved.
        return syntax if read.reason in {"missing_field", "wrong_type"} else read
    marked = Finding("yaml_lenient", "SKILL.md", syntax.line, syntax.column)
    return SkillHeader(read.name, read.description, (marked, *read.warnings))


def _header_of(values: dict[str, _Value], directory: str) -> SkillHeader | HeaderRefusal:
    name = _text_of(values, "name")
    if isinstance(name, HeaderRefusal):
        return name
    description = _text_of(values, "description")
    if isinstance(description, HeaderRefusal):
        return description
    refusal = _broken_rule(name, description, directory)
    if refusal is not None:
        reason, key = refusal
        return HeaderRefusal(reason, values[key].line, values[key].column)
    return SkillHeader(name, description, _unknown_keys(values))


def _text_of(values: dict[str, _Value], key: str) -> str | HeaderRefusal:
    value = values.get(key)
    if value is None:
        return HeaderRefusal("missing_field", 1, 1)
    if value.text is None or value.tag == _NULL_TAG:
        return HeaderRefusal("wrong_type", value.line, value.column)
    # A name is compared and shown as written, so one that other readers would take for a number
    # or a truth value is refused; a description is prose whatever it looks like.
    if key == "name" and value.tag not in _TEXT_TAGS:
        return HeaderRefusal("wrong_type", value.line, value.column)
    return value.text.strip() if key == "description" else value.text


def _broken_rule(name: str, description: str, directory: str) -> tuple[str, str] | None:
    if len(name) > SKILL_NAME_CHARACTERS_MAX or NAME_PATTERN.fullmatch(name) is None:
        return "bad_name", "name"
    if name != directory:
        return "name_mismatch", "name"
    if not description:
        return "missing_field", "description"
    if len(description) > SKILL_DESCRIPTION_CHARACTERS_MAX:
        return "too_long", "description"
    return None


def _unknown_keys(values: dict[str, _Value]) -> tuple[Finding, ...]:
    unknown = [(key, value) for key, value in values.items() if key not in KNOWN_KEYS]
    return tuple(
        Finding("unknown_key", "SKILL.md", value.line, value.column, _preview(key))
        for key, value in unknown[:UNKNOWN_KEYS_REPORTED_MAX]
    )


def _preview(key: str) -> str:
    escaped = unicodedata.normalize("NFC", key).encode("unicode_escape").decode("ascii")
    return escaped[:PREVIEW_CHARACTERS_MAX]


def _read_strictly(header: str, loader: YamlLoader) -> dict[str, _Value]:
    reading = _HeaderReading()
    try:
        for event in _first_document(header, loader):
            reading.take(event)
    except yaml.MarkedYAMLError as error:
        raise _BrokenError("yaml_syntax", error.problem_mark) from None
    except yaml.YAMLError:
        raise _BrokenError("yaml_syntax", None) from None
    return reading.finish()


def _first_document(header: str, loader: YamlLoader) -> Iterator[yaml.Event]:
    for count, event in enumerate(yaml.parse(header, Loader=loader)):
        if count > YAML_EVENTS_MAX:
            raise _BrokenError("yaml_events", event.start_mark)
        if isinstance(event, yaml.DocumentEndEvent):
            return
        if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            yield event


class _HeaderReading:
    """Takes the events of one document and keeps its top-level pairs."""

    def __init__(self) -> None:
        self._values: dict[str, _Value] = {}
        self._frames: list[_Frame] = []
        self._key = ""
        self._is_mapping = True

    def finish(self) -> dict[str, _Value]:
        """Return the pairs; only a mapping, or nothing at all, has been read as a header."""
        if not self._is_mapping:
            raise _BrokenError("wrong_type", None)
        return self._values

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.CollectionEndEvent):
            self._frames.pop()
            return
        assert isinstance(event, yaml.NodeEvent)
        self._refuse_machinery(event)
        if self._frames:
            self._place(event)
        else:
            self._is_mapping = isinstance(event, yaml.MappingStartEvent)
        if isinstance(event, yaml.CollectionStartEvent):
            self._descend(event)

    def _refuse_machinery(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _BrokenError("yaml_alias", event.start_mark)
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            raise _BrokenError("yaml_tag", event.start_mark)

    def _descend(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._frames) >= YAML_DEPTH_MAX:
            raise _BrokenError("yaml_depth", event.start_mark)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self._frames.append(_Frame(is_mapping, expects_key=is_mapping))

    def _place(self, event: yaml.NodeEvent) -> None:
        frame = self._frames[-1]
        if not frame.is_mapping:
            return
        if frame.expects_key:
            self._take_key(event, frame)
        elif len(self._frames) == 1:
            self._values[self._key] = _value_of(event)
        frame.expects_key = not frame.expects_key

    def _take_key(self, event: yaml.NodeEvent, frame: _Frame) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            raise _BrokenError("wrong_type", event.start_mark)
        if event.value == "<<" and event.implicit[0]:
            raise _BrokenError("yaml_alias", event.start_mark)
        if event.value in frame.keys:
            raise _BrokenError("yaml_duplicate", event.start_mark)
        frame.keys.add(event.value)
        if len(self._frames) == 1:
            self._key = event.value


def _value_of(event: yaml.NodeEvent) -> _Value:
    assert event.start_mark is not None, "both parsers mark every event"
    line, column = _place_of(event.start_mark)
    if isinstance(event, yaml.ScalarEvent):
        return _Value(event.value, bool(event.implicit[0]), line, column)
    return _Value(None, is_plain=False, line=line, column=column)


def _place_of(mark: _Mark) -> tuple[int, int]:
    # A header starts on the second line of its file.
    return mark.line + 2, mark.column + 1


def _implicit_tag(text: str) -> str:
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    for tag, pattern in resolvers.get(text[:1], []):
        if pattern.match(text):
            return str(tag)
    return "tag:yaml.org,2002:str"


def _read_leniently(header: str) -> dict[str, _Value] | None:
    """Return the `key: rest of line` pairs at the left edge, None if a key comes twice."""
    pairs: dict[str, _Value] = {}
    lines = [line.rstrip() for line in header.split("\n")]
    for number, line in enumerate(lines):
        pair = _LENIENT_PAIR.fullmatch(line)
        if pair is None:
            continue
        if pair[1] in pairs:
            return None
        text, is_plain = _lenient_text((pair[2] or "").strip(), lines[number + 1 :])
        pairs[pair[1]] = _Value(text, is_plain, number + 2, len(pair[1]) + 3)
    return pairs


def _lenient_text(rest: str, following: list[str]) -> tuple[str, bool]:
    if _BLOCK_SCALAR.fullmatch(rest):
        return (" " if rest[0] == ">" else "\n").join(_indented(following)), False
    is_quoted = len(rest) >= _QUOTED_CHARACTERS_MIN and rest[0] == rest[-1] and rest[0] in "'\""
    return (rest[1:-1], False) if is_quoted else (rest, True)


def _indented(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if line and not line[0].isspace():
            return
        if line:
            yield line.strip()


__all__ = [
    "KNOWN_KEYS",
    "NAME_PATTERN",
    "FastestLoader",
    "FrontMatter",
    "HeaderRefusal",
    "SkillHeader",
    "YamlLoader",
    "read_skill_header",
    "split_front_matter",
]
