"""The rules for one entry of a manifest, each with its code and its place."""

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn, assert_never

from pydantic import JsonValue

from driftpin import limits
from driftpin.context.resource import (
    Body,
    Catalogue,
    InstructionBody,
    Kind,
    Resource,
    ServerBody,
    SkillBody,
    SkillFile,
    Status,
    ToolEntry,
)
from driftpin.errors import DriftpinError, Malformed, Rejected, TooLarge
from driftpin.identity import Digest, is_digest
from driftpin.wire.json_text import pointer_to

Entry = Mapping[str, JsonValue]

HEAD_KEYS: Final = frozenset({"kind", "source", "status", "reason"})
BODY_KEYS: Final[Mapping[Kind, frozenset[str]]] = {
    Kind.INSTRUCTION_FILE: frozenset({"digest"}),
    Kind.SKILL: frozenset({"name", "description", "files"}),
    Kind.MCP_CONFIG: frozenset(),
    Kind.MCP_SERVER: frozenset({"identity", "catalogue"}),
}
KNOWN_KEYS: Final = HEAD_KEYS.union(*BODY_KEYS.values())
FILE_KEYS: Final = frozenset({"path", "executable", "digest", "status", "reason"})

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LABEL: Final = re.compile(r"[^:/\s]{1,100}")
REASON: Final = re.compile(r"[a-z0-9][a-z0-9_./:-]{0,99}")
SKILL_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
DOTTED: Final = frozenset({"", ".", ".."})
SERVER_LABEL: Final = "mcp"
SKILL_TEXT_FILE: Final = "SKILL.md"


def read_resource(entry: Entry, index: int) -> Resource:
    """Return the resource that the entry at `index` stands for, or refuse it by its first fault."""
    return read_resource_at(entry, f"/manifest/resources/{index}")


def read_resource_at(entry: Entry, at: str) -> Resource:
    """Return the resource that an entry stands for; the pointer of a refusal begins with `at`."""
    refuse_unknown_keys(entry, KNOWN_KEYS, at)
    kind = _kind(required(entry, "kind", at), at)
    source = _source(required(entry, "source", at), kind, at)
    status = _status(required(entry, "status", at), source, at)
    reason = _reason(required(entry, "reason", at), status, source, at)
    given = entry.keys() - HEAD_KEYS
    expected = BODY_KEYS[kind] if status is Status.OK else frozenset()
    if given != expected:
        _inconsistent(source, at, f"a {status} {kind} has {sorted(expected) or 'no body'}")
    body = _body(kind, entry, source, at) if status is Status.OK else None
    return Resource(kind=kind, source=source, status=status, reason=reason, body=body)


def _kind(value: JsonValue, at: str) -> Kind:
    try:
        return Kind(text_at(value, f"{at}/kind"))
    except ValueError:
        raise Rejected(
            "This kind of resource is not known here.", code="unknown_kind", pointer=f"{at}/kind"
        ) from None


def _status(value: JsonValue, source: str, at: str) -> Status:
    try:
        return Status(text_at(value, f"{at}/status"))
    except ValueError:
        raise Rejected(
            "This status is not known here.",
            code="unknown_status",
            source=source,
            pointer=f"{at}/status",
        ) from None


def _source(value: JsonValue, kind: Kind, at: str) -> str:
    source = text_at(value, f"{at}/source")
    label, colon, path = source.partition(":")
    is_server = kind is Kind.MCP_SERVER
    is_good = (
        bool(colon and path)
        and LABEL.fullmatch(label) is not None
        and _is_plain(source)
        and is_server == (label == SERVER_LABEL)
        and (is_server or not DOTTED.intersection(path.split("/")))
    )
    if not is_good:
        raise Rejected(
            "A source is `<root label>:<path below that root>`, without dots that climb.",
            code="bad_source",
            pointer=f"{at}/source",
        )
    return source


def _is_plain(text: str) -> bool:
    is_short = len(text.encode("utf-8")) <= limits.SOURCE_BYTES_MAX
    return is_short and CONTROL.search(text) is None


def _reason(value: JsonValue, status: Status, source: str, at: str) -> str:
    reason = text_at(value, f"{at}/reason")
    if (status is Status.OK) != (reason == ""):
        _inconsistent(source, at, "a reason stands beside every status but ok")
    if reason and REASON.fullmatch(reason) is None:
        raise Rejected(
            "A reason is a short code.", code="bad_reason", source=source, pointer=f"{at}/reason"
        )
    return reason


def _body(kind: Kind, entry: Entry, source: str, at: str) -> Body:
    match kind:
        case Kind.INSTRUCTION_FILE:
            return InstructionBody(digest_at(entry["digest"], f"{at}/digest"))
        case Kind.SKILL:
            return _skill(entry, source, at)
        case Kind.MCP_SERVER:
            identity = digest_at(entry["identity"], f"{at}/identity")
            return ServerBody(identity, _catalogue(entry["catalogue"], source, f"{at}/catalogue"))
        case Kind.MCP_CONFIG:
            return None
        case _:
            assert_never(kind)


def _skill(entry: Entry, source: str, at: str) -> SkillBody:
    name = text_at(entry["name"], f"{at}/name")
    if SKILL_NAME.fullmatch(name) is None or len(name) > limits.SKILL_NAME_CHARACTERS_MAX:
        raise Rejected(
            "This is not a name for a skill.", code="bad_name", source=source, pointer=f"{at}/name"
        )
    description = text_at(entry["description"], f"{at}/description")
    if not 1 <= len(description) <= limits.SKILL_DESCRIPTION_CHARACTERS_MAX:
        raise Rejected(
            "A skill's description has 1 to 1,024 characters.",
            code="too_long" if description else "missing_field",
            source=source,
            pointer=f"{at}/description",
        )
    listed = list_at(entry["files"], f"{at}/files")
    files = tuple(
        _skill_file(object_at(file, f"{at}/files/{index}"), source, f"{at}/files/{index}")
        for index, file in enumerate(listed)
    )
    _check_files(files, source, at)
    ordered = tuple(sorted(files, key=lambda file: file.path))
    return SkillBody(name=name, description=description, files=ordered)


def _check_files(files: tuple[SkillFile, ...], source: str, at: str) -> None:
    pinned = {file.path for file in files if file.status is Status.OK}
    refuse_over("skill_files", len(pinned), limits.SKILL_FILES_MAX, source=source)
    if SKILL_TEXT_FILE not in pinned:
        _inconsistent(source, at, f"an ok skill has an ok {SKILL_TEXT_FILE}")
    if len({file.path for file in files}) != len(files):
        raise Rejected(
            "A skill lists one path twice.",
            code="duplicate_path",
            source=source,
            pointer=f"{at}/files",
        )


def _skill_file(entry: Entry, source: str, at: str) -> SkillFile:
    refuse_unknown_keys(entry, FILE_KEYS, at)
    path = _file_path(required(entry, "path", at), source, at)
    executable = required(entry, "executable", at)
    if not isinstance(executable, bool):
        _wrong_type("a boolean", f"{at}/executable")
    status = _status(entry.get("status", Status.OK.value), source, at)
    reason = _reason(entry.get("reason", ""), status, source, at)
    value = required(entry, "digest", at)
    if value is None and status is Status.OK:
        _inconsistent(source, at, "an ok file has a digest")
    digest = None if value is None else digest_at(value, f"{at}/digest")
    return SkillFile(path, executable, digest, status, reason)


def _file_path(value: JsonValue, source: str, at: str) -> str:
    path = text_at(value, f"{at}/path")
    if not _is_plain(path) or DOTTED.intersection(path.split("/")):
        raise Rejected(
            "A file's path is relative to its skill, without dots that climb.",
            code="bad_path",
            source=source,
            pointer=f"{at}/path",
        )
    return path


def _catalogue(value: JsonValue, source: str, at: str) -> Catalogue | None:
    if value is None:
        return None
    entry = object_at(value, at)
    refuse_unknown_keys(entry, frozenset({"instructions", "tools"}), at)
    instructions = required(entry, "instructions", at)
    listed = list_at(required(entry, "tools", at), f"{at}/tools")
    refuse_over("tools_per_server", len(listed), limits.TOOLS_PER_SERVER_MAX, source=source)
    tools = tuple(_tool(tool, f"{at}/tools/{index}") for index, tool in enumerate(listed))
    if len({tool.name for tool in tools}) != len(tools):
        raise Rejected(
            "A server lists one tool twice.",
            code="duplicate_tool",
            source=source,
            pointer=f"{at}/tools",
        )
    return Catalogue(
        instructions=None
        if instructions is None
        else digest_at(instructions, f"{at}/instructions"),
        tools=tuple(sorted(tools, key=lambda tool: tool.name)),
    )


def _tool(value: JsonValue, at: str) -> ToolEntry:
    entry = object_at(value, at)
    refuse_unknown_keys(entry, frozenset({"name", "digest"}), at)
    name = text_at(required(entry, "name", at), f"{at}/name")
    if not name or not _is_plain(name):
        raise Rejected("This is not a tool's name.", code="bad_tool_name", pointer=f"{at}/name")
    return ToolEntry(name, digest_at(required(entry, "digest", at), f"{at}/digest"))


def required(entry: Entry, key: str, at: str) -> JsonValue:
    """Return the field, or raise Malformed with its pointer."""
    if key not in entry:
        pointer = f"{at}/{key}"
        raise Malformed(f"Missing field {pointer}.", code="invalid_request", pointer=pointer)
    return entry[key]


def refuse_unknown_keys(entry: Entry, known: frozenset[str], at: str) -> None:
    """Raise Malformed (`unknown_field`) for the first key that is not known."""
    for key in entry:
        if key not in known:
            pointer = at + pointer_to((key,))
            raise Malformed(f"Unknown field {pointer}.", code="unknown_field", pointer=pointer)


def refuse_over(limit: str, found: int, maximum: int, *, source: str = "") -> None:
    """Raise TooLarge, naming the limit, if `found` is above it."""
    if found <= maximum:
        return
    place: dict[str, Any] = {"source": source} if source else {}
    raise TooLarge(
        f"{limit} is at most {maximum}.", limit=limit, maximum=maximum, found=found, **place
    )


def object_at(value: JsonValue, pointer: str) -> dict[str, JsonValue]:
    """Return the value if it is an object."""
    if not isinstance(value, dict):
        _wrong_type("an object", pointer)
    return value


def list_at(value: JsonValue, pointer: str) -> list[JsonValue]:
    """Return the value if it is a list."""
    if not isinstance(value, list):
        _wrong_type("a list", pointer)
    return value


def text_at(value: JsonValue, pointer: str) -> str:
    """Return the value if it is a text."""
    if not isinstance(value, str):
        _wrong_type("a text", pointer)
    return value


def digest_at(value: JsonValue, pointer: str) -> Digest:
    """Return the value if it is written as a digest."""
    if not isinstance(value, str) or not is_digest(value):
        raise Malformed(
            "A digest is sha256: and 64 lower-case hex digits.", code="bad_hash", pointer=pointer
        )
    return Digest(value)


def _wrong_type(expected: str, pointer: str) -> NoReturn:
    raise Malformed(f"Expected {expected}.", code="invalid_request", pointer=pointer)


def _inconsistent(source: str, pointer: str, expected: str) -> NoReturn:
    error: DriftpinError = Rejected(
        f"Inconsistent resource: {expected}.",
        code="inconsistent_resource",
        source=source,
        pointer=pointer,
    )
    raise error


__all__ = [
    "digest_at",
    "list_at",
    "object_at",
    "read_resource",
    "read_resource_at",
    "refuse_over",
    "refuse_unknown_keys",
    "required",
    "text_at",
]
