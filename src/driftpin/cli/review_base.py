"""The base of a review as an agent would see it: resolved by the same resolver, never the head.

What can start a process or reach a network stays out: reviewers only read.
"""

import base64
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from driftpin.agent.instruction_files import INSTRUCTION_NAMES
from driftpin.agent.resolve import Resolver
from driftpin.agent.roots import Root
from driftpin.agent.skills import SKILL_CONTAINERS
from driftpin.context.resource import SkillBody, Status
from driftpin.review.bundled_roles import SKILL_NAME
from driftpin.review.repository import Repository, TreeEntry
from driftpin.wire.api import ImportSnapshotRequest

_EXECUTABLE_MODE = "100755"


@dataclass(frozen=True, slots=True)
class BaseTree:
    """What the base brings: a snapshot to import, and its own roles for the panel."""

    request: ImportSnapshotRequest
    digest: str
    roles: Mapping[str, str]


def resolve_base(repository: Repository, commit: str) -> BaseTree:
    """Return the context of a commit."""
    with tempfile.TemporaryDirectory(prefix="driftpin-base-") as place:
        root = Path(place).resolve()
        _write_context(repository, commit, root)
        found = Resolver((Root("workspace", root, is_workspace=True),)).resolve()
        blobs = {digest: found.blobs[digest] for digest in found.blobs}
        manifest: dict[str, Any] = msgspec.json.decode(found.snapshot.manifest)
        request = ImportSnapshotRequest(
            manifest=manifest,
            digest=found.snapshot.digest,
            blobs=tuple(
                {"digest": digest, "data": base64.b64encode(content).decode("ascii")}
                for digest, content in blobs.items()
            ),
        )
        roles: dict[str, str] = {}
        for resource in found.snapshot.resources:
            body = resource.body
            if isinstance(body, SkillBody) and body.name == SKILL_NAME:
                roles = {
                    file.path: blobs[file.digest].decode("utf-8", "replace")
                    for file in body.files
                    if file.status is Status.OK and file.digest is not None
                }
        return BaseTree(request, found.snapshot.digest, roles)


def dirty_since(repository: Repository, merge_base: str, tip: str, digest: str) -> str:
    """Return since when the base brings another context than the one that was pinned.

    `digest` is that of the commit where the change parted from the base; empty while the base's
    tip has the same.
    """
    if tip == merge_base or resolve_base(repository, tip).digest == digest:
        return ""
    places = (*INSTRUCTION_NAMES, *SKILL_CONTAINERS)
    return repository.first_change(merge_base, tip, places) or tip[:12]


def _write_context(repository: Repository, commit: str, root: Path) -> None:
    entries = [entry for path, entry in repository.list_tree(commit).items() if _is_context(path)]
    blobs = repository.read_blobs(entry.blob for entry in entries)
    for path, entry in _placed(entries, root):
        content = blobs.get(entry.blob)
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o755 if entry.mode == _EXECUTABLE_MODE else 0o644)


def _is_context(path: str) -> bool:
    in_skill = any(path.startswith(f"{container}/") for container in SKILL_CONTAINERS)
    return in_skill or path in INSTRUCTION_NAMES


def _placed(entries: list[TreeEntry], root: Path) -> Iterator[tuple[Path, TreeEntry]]:
    """Yield where each entry is written; a name that would leave the root is left out."""
    for entry in entries:
        parts = entry.path.split("/")
        if all(part not in {"", ".", "..", ".git"} for part in parts):
            yield root.joinpath(*parts), entry


__all__ = ["BaseTree", "dirty_since", "resolve_base"]
