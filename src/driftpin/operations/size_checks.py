"""How large a snapshot may be, checked against the sizes of its stored bytes; pure."""

from collections.abc import Mapping
from typing import Final

from driftpin import limits
from driftpin.context.manifest import Snapshot
from driftpin.context.resource import Kind, NamedBlob, Resource, blobs_of
from driftpin.errors import TooLarge
from driftpin.identity import Digest

SKILL_TEXT_FILE: Final = "SKILL.md"


def check_sizes(snapshot: Snapshot, sizes: Mapping[Digest, int]) -> None:
    """Refuse the first thing that passes its limit: a file, a skill, all texts, all bytes.

    `sizes` has every blob that the snapshot names. Raises TooLarge with `limit`, `maximum`,
    `source`.
    """
    text_bytes, all_bytes = 0, 0
    for resource in snapshot.resources:
        total_bytes = 0
        for blob in blobs_of(resource):
            size_bytes = sizes[blob.digest]
            limit, maximum = _limit_of(resource, blob)
            _refuse_over(limit, size_bytes, maximum, resource.source)
            total_bytes += size_bytes
            if _is_text(resource, blob):
                text_bytes += size_bytes
        if resource.kind is Kind.SKILL:
            _refuse_over("skill_bytes", total_bytes, limits.SKILL_BYTES_MAX, resource.source)
        all_bytes += total_bytes
    _refuse_over("snapshot_text_bytes", text_bytes, limits.SNAPSHOT_TEXT_BYTES_MAX)
    _refuse_over("snapshot_bytes", all_bytes, limits.SNAPSHOT_BYTES_MAX)


def _limit_of(resource: Resource, blob: NamedBlob) -> tuple[str, int]:
    match resource.kind:
        case Kind.INSTRUCTION_FILE:
            return "instruction_bytes", limits.INSTRUCTION_BYTES_MAX
        case Kind.SKILL if blob.path == SKILL_TEXT_FILE:
            return "skill_text_bytes", limits.SKILL_TEXT_BYTES_MAX
        case Kind.SKILL:
            return "skill_file_bytes", limits.SKILL_FILE_BYTES_MAX
        case Kind.MCP_CONFIG | Kind.MCP_SERVER:
            return "tool_bytes_per_server", limits.TOOL_BYTES_PER_SERVER_MAX


def _is_text(resource: Resource, blob: NamedBlob) -> bool:
    is_skill_text = resource.kind is Kind.SKILL and blob.path == SKILL_TEXT_FILE
    return is_skill_text or resource.kind is Kind.INSTRUCTION_FILE


def _refuse_over(limit: str, size_bytes: int, maximum: int, source: str | None = None) -> None:
    if size_bytes > maximum:
        raise TooLarge(
            f"{limit} is at most {maximum}.", limit=limit, maximum=maximum, source=source
        )


__all__ = ["check_sizes"]
