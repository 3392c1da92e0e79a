"""A pin written out as a read-only tree, so that any other agent can be run on it.

Files of the workspace stand where they stood. Those of another root stand below
`.driftpin/roots/<label>`: with `HOME=DIR/.driftpin/roots/user` another agent finds the user's own.
`.driftpin/manifest.json` is the manifest, byte for byte.

Names come from whoever could push, so none is trusted: each is taken apart, created component by
component beneath the tree's own handle, and never through a link. The tree appears whole under its
name or not at all.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.context.resource import InstructionBody, Resource, SkillBody, Status
from driftpin.errors import Conflict, Rejected
from driftpin.identity import Digest, digest_of

OWN_DIRECTORY: Final = ".driftpin"
WORKSPACE_LABEL: Final = "workspace"
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_NAME_BYTES_MAX: Final = 255
_FILE_MODE: Final = 0o444
_SCRIPT_MODE: Final = 0o555
_DIRECTORY_MODE: Final = 0o555


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of the tree: where, which bytes, and whether it may be executed."""

    parts: tuple[str, ...]
    digest: Digest
    is_executable: bool = False


def plan_tree(resources: Iterable[Resource]) -> tuple[PlannedFile, ...]:
    """Return every file that the resources pin.

    Raises Rejected (`unsafe_path`) for a name that could leave the tree, or for two files that
    claim one place.
    """
    planned = tuple(file for resource in resources for file in _files_of(resource))
    places: set[tuple[str, ...]] = set()
    for file in planned:
        if file.parts in places:
            raise Rejected(
                f"Two pinned files claim the place {'/'.join(file.parts)!r}.", code="unsafe_path"
            )
        places.add(file.parts)
    return planned


def write_tree(
    directory: Path, manifest: bytes, files: Iterable[PlannedFile], blobs: Mapping[Digest, bytes]
) -> None:
    """Write the tree at `directory`, which must not exist or must be an empty directory.

    Raises Conflict (`not_empty`) when something is there, and Rejected (`digest_mismatch`) when
    bytes are not what their name says; then nothing was written.
    """
    directory = directory.absolute()
    if directory.is_symlink() or (directory.exists() and _has_entries(directory)):
        raise Conflict(
            f"{str(directory)!r} is there already; expected a new name or an empty directory.",
            code="not_empty",
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        _fill(building, manifest, files, blobs)
        building.replace(directory)
    except BaseException:
        _discard(building)
        raise


def _has_entries(directory: Path) -> bool:
    return not directory.is_dir() or any(directory.iterdir())


def _fill(
    building: Path, manifest: bytes, files: Iterable[PlannedFile], blobs: Mapping[Digest, bytes]
) -> None:
    root = os.open(building, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _write_beneath(root, (OWN_DIRECTORY, "manifest.json"), manifest, _FILE_MODE)
        for file in files:
            content = blobs[file.digest]
            if digest_of(content) != file.digest:
                raise Rejected(
                    f"The bytes of {'/'.join(file.parts)!r} are not those of {file.digest}.",
                    code="digest_mismatch",
                )
            mode = _SCRIPT_MODE if file.is_executable else _FILE_MODE
            _write_beneath(root, file.parts, content, mode)
    finally:
        os.close(root)
    for place, _directories, _files in os.walk(building, topdown=False):
        Path(place).chmod(_DIRECTORY_MODE)


def _files_of(resource: Resource) -> Iterator[PlannedFile]:
    match resource.body:
        case InstructionBody(digest=digest):
            yield PlannedFile(_place_of(resource.source), digest)
        case SkillBody(files=files):
            folder = _place_of(resource.source)
            for file in files:
                if file.status is Status.OK and file.digest is not None:
                    parts = (*folder, *_safe_parts(file.path))
                    yield PlannedFile(parts, file.digest, file.executable)
        case _:
            return


def _place_of(source: str) -> tuple[str, ...]:
    label, colon, path = source.partition(":")
    if not colon or _LABEL.fullmatch(label) is None:
        raise _unsafe(source)
    parts = _safe_parts(path)
    if label != WORKSPACE_LABEL:
        return (OWN_DIRECTORY, "roots", label, *parts)
    # The tree's own directory is not the workspace's to write.
    if parts[0].casefold() == OWN_DIRECTORY:
        raise _unsafe(source)
    return parts


def _safe_parts(path: str) -> tuple[str, ...]:
    parts = tuple(path.split("/"))
    if not all(_is_safe(part) for part in parts):
        raise _unsafe(path)
    return parts


def _is_safe(part: str) -> bool:
    if part in ("", ".", "..") or "\0" in part:
        return False
    try:
        return len(part.encode()) <= _NAME_BYTES_MAX
    except UnicodeEncodeError:
        return False


def _unsafe(name: str) -> Rejected:
    return Rejected(
        f"The pin names {name!r}, which could leave the directory; nothing was written.",
        code="unsafe_path",
    )


def _write_beneath(root: int, parts: tuple[str, ...], content: bytes, mode: int) -> None:
    """Create one new file beneath the handle; no component of its path may be a link."""
    opened = [os.dup(root)]
    try:
        for part in parts[:-1]:
            opened.append(_open_directory(opened[-1], part))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(parts[-1], flags, 0o600, dir_fd=opened[-1])
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(handle, mode)
    except FileExistsError as failure:
        raise Rejected(
            f"Two pinned files claim the place {'/'.join(parts)!r} on this file system.",
            code="unsafe_path",
        ) from failure
    finally:
        for handle in opened:
            os.close(handle)


def _open_directory(parent: int, name: str) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent)
    except NotADirectoryError as failure:
        raise FileExistsError(name) from failure


def _discard(building: Path) -> None:
    for place, _directories, _files in os.walk(building):
        Path(place).chmod(0o700)
    shutil.rmtree(building, ignore_errors=True)


__all__ = ["PlannedFile", "plan_tree", "write_tree"]
