"""The two tools that read skills out of the pin; the workspace need not be there.

`find_skill_file` is the door for everybody who serves a file of a skill: it raises with the codes
that HTTP answers with. `call_skill_tool` wraps it for a model, to which a failure is a result and
never the end of a turn.
"""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Final

from driftpin import limits
from driftpin.chat.cleaning import clean_text
from driftpin.chat.pinned import PinnedContext, PinnedSkill, skills
from driftpin.chat.skill_index import find_skill
from driftpin.chat.skill_paths import check_skill_path
from driftpin.chat.tools import ToolDefinition, ToolResult
from driftpin.context.front_matter import FrontMatter, split_front_matter
from driftpin.context.resource import SkillFile, Status
from driftpin.errors import DriftpinError, Malformed, NotFound, Rejected
from driftpin.identity import Digest

READ_SKILL: Final = "read_skill"
READ_SKILL_FILE: Final = "read_skill_file"
SKILL_TEXT_PATH: Final = "SKILL.md"
_UNKNOWN_MEDIA: Final = "application/octet-stream"
_MEDIA: Final = {
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "png": "image/png",
    "webp": "image/webp",
    "zip": "application/zip",
}
_NAME: Final[dict[str, str]] = {
    "type": "string",
    "description": "The skill's name as the index of skills writes it.",
}
_PATH: Final[dict[str, str]] = {
    "type": "string",
    "description": "The file's path as read_skill lists it, for example scripts/check.sh.",
}

TOOLS: Final = (
    ToolDefinition(
        READ_SKILL,
        "Load a pinned skill: its instructions, its directory and the list of its files.",
        {
            "type": "object",
            "properties": {"name": {**_NAME}},
            "required": ["name"],
            "additionalProperties": False,
        },
    ),
    ToolDefinition(
        READ_SKILL_FILE,
        "Read one file of a pinned skill, with exactly the bytes that were pinned.",
        {
            "type": "object",
            "properties": {"name": {**_NAME}, "path": {**_PATH}},
            "required": ["name", "path"],
            "additionalProperties": False,
        },
    ),
)


def read_skill(context: PinnedContext | None, name: str) -> ToolResult:
    """Return a skill's text without its header, cleaned like the prompt, its directory and files.

    `context.bodies` must hold what `blobs_for_call` names.
    """
    return _as_result(lambda: _skill_text(context, name))


def read_skill_file(context: PinnedContext | None, name: str, path: str) -> ToolResult:
    """Return a file of a skill as it was pinned: text as it is, anything else in base64.

    `context.bodies` must hold what `blobs_for_call` names.
    """
    return _as_result(lambda: _file_text(context, name, path))


def call_skill_tool(
    context: PinnedContext | None, name: str, arguments: Mapping[str, object]
) -> ToolResult:
    """Carry out a call of one of `TOOLS` with arguments as the model gave them."""
    if name == READ_SKILL:
        return _as_result(lambda: _skill_text(context, _text(arguments, "name")))
    assert name == READ_SKILL_FILE, f"{name!r} is no skill tool"
    return _as_result(
        lambda: _file_text(context, _text(arguments, "name"), _text(arguments, "path"))
    )


def blobs_for_call(
    context: PinnedContext | None, name: str, arguments: Mapping[str, object]
) -> tuple[Digest, ...]:
    """Return the digests whose bytes a call needs; none when the call will be refused anyway."""
    try:
        path = SKILL_TEXT_PATH if name == READ_SKILL else _text(arguments, "path")
        digest = find_skill_file(context, _text(arguments, "name"), path).digest
    except DriftpinError:
        return ()
    return () if digest is None else (digest,)


def find_skill_file(context: PinnedContext | None, name: str, path: str) -> SkillFile:
    """Return the pinned file, refusing bad paths before anything is looked up.

    Raises Malformed `bad_path`, Forbidden `path_escape`, NotFound `skill_not_found`,
    `file_not_found` or `file_not_pinned`, and Conflict `ambiguous_skill`.
    """
    check_skill_path(path)
    skill = _skill(context, name)
    file = next((file for file in skill.body.files if file.path == path), None)
    if file is None:
        raise NotFound(f"{name!r} has no file {path!r} in this pin.", code="file_not_found")
    if file.status is not Status.OK:
        raise NotFound(
            f"{path!r} is listed but was not pinned: {_state(file)}.", code="file_not_pinned"
        )
    return file


def _skill(context: PinnedContext | None, name: str) -> PinnedSkill:
    return find_skill(skills(() if context is None else context.resources), name)


def _skill_text(context: PinnedContext | None, name: str) -> ToolResult:
    skill = _skill(context, name)
    text = _decoded(_body(context, find_skill_file(context, skill.source, SKILL_TEXT_PATH)))
    cut = split_front_matter(text)
    body = cut.body if isinstance(cut, FrontMatter) else text
    heading = [f"Skill: {skill.body.name}", f"Directory: {skill.source}", "Files:"]
    listed = [f"- {file.path}{_remark(file)}" for file in skill.body.files]
    return _capped("\n".join([*heading, *listed, "", clean_text(body)]))


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Rejected("The pinned SKILL.md is not UTF-8.", code="not_utf8") from error


def _file_text(context: PinnedContext | None, name: str, path: str) -> ToolResult:
    content = _body(context, find_skill_file(context, name, path))
    try:
        return _capped(content.decode())
    except UnicodeDecodeError:
        return _binary(path, content)


def _binary(path: str, content: bytes) -> ToolResult:
    media = _MEDIA.get(path.rpartition(".")[2].lower(), _UNKNOWN_MEDIA)
    room_bytes = limits.TOOL_RESULT_BYTES_MAX // 4 * 3
    cut = f", cut to the first {room_bytes}" if len(content) > room_bytes else ""
    note = f"[binary: {media}, {len(content)} bytes{cut}, in base64]"
    encoded = base64.b64encode(content[:room_bytes]).decode("ascii")
    return ToolResult(f"{note}\n{encoded}", code="truncated" if cut else "")


def _capped(text: str) -> ToolResult:
    encoded = text.encode()
    if len(encoded) <= limits.TOOL_RESULT_BYTES_MAX:
        return ToolResult(text)
    kept = encoded[: limits.TOOL_RESULT_BYTES_MAX].decode(errors="ignore")
    note = f"[cut: {len(kept.encode())} of {len(encoded)} bytes are shown]"
    return ToolResult(f"{kept}\n{note}", code="truncated")


def _body(context: PinnedContext | None, file: SkillFile) -> bytes:
    assert context is not None, "an ok file has a pin"
    assert file.digest is not None, "an ok file has a digest"
    return context.bodies[file.digest]


def _remark(file: SkillFile) -> str:
    if file.status is not Status.OK:
        return f" (not pinned: {_state(file)})"
    return " (executable)" if file.executable else ""


def _state(file: SkillFile) -> str:
    return f"{file.status.value}/{file.reason}".rstrip("/")


def _text(arguments: Mapping[str, object], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise Malformed(f"The argument {name!r} must be a string.", code="bad_arguments")
    return value


def _as_result(call: Callable[[], ToolResult]) -> ToolResult:
    """Return what `call` gives, or its refusal as a result for the model."""
    try:
        return call()
    except DriftpinError as error:
        written = json.dumps({"code": error.code, "message": error.message}, ensure_ascii=True)
        return ToolResult(written, is_error=True, code=error.code)


__all__ = [
    "READ_SKILL",
    "READ_SKILL_FILE",
    "SKILL_TEXT_PATH",
    "TOOLS",
    "blobs_for_call",
    "call_skill_tool",
    "find_skill_file",
    "read_skill",
    "read_skill_file",
]
