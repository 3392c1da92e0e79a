"""How large a snapshot may be, checked against the sizes of its stored bytes; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from driftpin import limits
from driftpin.context.resource import Kind
from driftpin.errors import TooLarge
from driftpin.identity import Digest
from driftpin.store.writing.snapshots import Line

SKILL_TEXT_FILE: Final = "SKILL.md"
Limit = tuple[str, int]
SKILL_TEXT: Final[Limit] = ("skill_text_bytes", limits.SKILL_TEXT_BYTES_MAX)
OF_A_SERVER: Final[Limit] = ("tool_bytes_per_server", limits.TOOL_BYTES_PER_SERVER_MAX)
# How large one file may be, by what it belongs to.
LIMITS: Final[Mapping[str, Limit]] = {
    Kind.INSTRUCTION_FILE.value: ("instruction_bytes", limits.INSTRUCTION_BYTES_MAX),
    Kind.SKILL.value: ("skill_file_bytes", limits.SKILL_FILE_BYTES_MAX),
    Kind.MCP_CONFIG.value: OF_A_SERVER,
    Kind.MCP_SERVER.value: OF_A_SERVER,
}


def check_sizes(lines: Iterable[Line], sizes: Mapping[Digest, int]) -> None:
    """Refuse the first thing that passes its limit: a file, a skill, all texts, all bytes.

    `sizes` has every blob that the lines name. Raises TooLarge with `limit`, `maximum`, `source`.
    """
    text_bytes, all_bytes = 0, 0
    skills: Counter[str] = Counter()
    for line in lines:
        if line.digest is None:
            continue
        size_bytes = sizes[line.digest]
        is_skill = line.kind == Kind.SKILL
        is_skill_text = is_skill and line.path == SKILL_TEXT_FILE
        _refuse_over(SKILL_TEXT if is_skill_text else LIMITS[line.kind], size_bytes, line.source)
        if is_skill:
            skills[line.source] += size_bytes
            whole = ("skill_bytes", limits.SKILL_BYTES_MAX)
            _refuse_over(whole, skills[line.source], line.source)
        if is_skill_text or line.kind == Kind.INSTRUCTION_FILE:
            text_bytes += size_bytes
        all_bytes += size_bytes
    _refuse_over(("snapshot_text_bytes", limits.SNAPSHOT_TEXT_BYTES_MAX), text_bytes)
    _refuse_over(("snapshot_bytes", limits.SNAPSHOT_BYTES_MAX), all_bytes)


def _refuse_over(passed: Limit, size_bytes: int, source: str | None = None) -> None:
    limit, maximum = passed
    if size_bytes > maximum:
        raise TooLarge(
            f"{limit} is at most {maximum}.", limit=limit, maximum=maximum, source=source
        )


__all__ = ["check_sizes"]
