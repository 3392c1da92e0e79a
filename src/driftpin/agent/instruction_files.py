"""Instruction files, and those of other tools that are only listed."""

from collections.abc import Iterator, Sequence
from typing import Final

from driftpin.agent.candidate import (
    BlobPlace,
    Candidate,
    Collapsed,
    Named,
    collapse_links,
    refused_candidate,
)
from driftpin.agent.judging import judge_instruction
from driftpin.agent.names import is_bad_name, joined
from driftpin.agent.reading import Refusal
from driftpin.agent.root_view import Found, RootView
from driftpin.agent.stat_cache import Purpose
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.limits import INSTRUCTION_BYTES_MAX

INSTRUCTION_NAMES: Final = (
    "AGENTS.md",
    "CLAUDE.md",
    "GEMINI.md",
    ".cursorrules",
    ".github/copilot-instructions.md",
)
UNSUPPORTED_NAMES: Final = ("CLAUDE.local.md", ".clinerules", ".goosehints")
UNSUPPORTED_DIRECTORIES: Final = (".cursor/rules", ".github/instructions")
NOT_SUPPORTED: Final = Refusal(Status.EXCLUDED, "not_supported")
BAD_NAME: Final = Refusal(Status.INVALID, "bad_name")


def find_instruction_files(view: RootView, names: Sequence[str]) -> Iterator[Candidate]:
    """Yield a candidate for every one of these names that exists in the root."""
    readable = []
    for name in names:
        found = view.look(name)
        view.watched.add(name.rpartition("/")[0])
        if isinstance(found, Refusal):
            yield refused_candidate(Kind.INSTRUCTION_FILE, view.root.source(name), found)
        elif found is not None:
            readable.append(Named(name, found))
    for collapsed in collapse_links(view, readable):
        yield _instruction(view, collapsed)


def _instruction(view: RootView, collapsed: Collapsed) -> Candidate:
    path, found = collapsed.named.path, collapsed.named.found
    reading = view.read(Purpose.INSTRUCTION, path, found, INSTRUCTION_BYTES_MAX, judge_instruction)
    digest, size_bytes = reading.digest, reading.size_bytes or 0
    is_usable = reading.status is Status.OK and digest is not None
    return Candidate(
        Resource(
            Kind.INSTRUCTION_FILE,
            view.root.source(path),
            reading.status,
            reading.reason,
            InstructionBody(digest) if is_usable and digest is not None else None,
        ),
        size_bytes=reading.size_bytes,
        text_bytes=size_bytes if is_usable else 0,
        blobs=(BlobPlace(view.root, path, digest, size_bytes, reading.held),)
        if is_usable and digest is not None
        else (),
        aliases=collapsed.aliases,
        warnings=reading.findings,
    )


def find_unsupported_files(
    view: RootView, names: Sequence[str], entries_max: int
) -> Iterator[Candidate]:
    """Yield a listed candidate for every file of another tool that is not among `names`."""
    for name in UNSUPPORTED_NAMES:
        if name not in names and isinstance(view.look(name), Found):
            yield _unsupported(view, name)
    for directory in UNSUPPORTED_DIRECTORIES:
        for name in _files_in(view, directory, entries_max):
            if name not in names:
                yield _unsupported(view, name)


def _unsupported(view: RootView, path: str) -> Candidate:
    refusal = BAD_NAME if is_bad_name(path) else NOT_SUPPORTED
    return refused_candidate(Kind.INSTRUCTION_FILE, view.root.source(path), refusal)


def _files_in(view: RootView, directory: str, entries_max: int) -> Iterator[str]:
    found = view.look(directory)
    if not isinstance(found, Found) or not found.key.is_directory:
        return
    names = view.names_in(directory, found, entries_max)
    if isinstance(names, Refusal):
        view.report(names, directory)
        return
    for name in names:
        path = joined(directory, name)
        inner = view.look(path)
        if isinstance(inner, Found) and inner.key.is_file:
            yield path


def find_not_recognised(view: RootView, names: Sequence[str], entries_max: int) -> tuple[str, ...]:
    """Return the sources of names in the root that differ from an instruction file's by case."""
    listed = view.own_names(entries_max)
    if isinstance(listed, Refusal):
        view.report(listed, "")
        return ()
    wanted = {name.lower() for name in names}
    exact = set(names)
    return tuple(
        view.root.source(name) for name in listed if name.lower() in wanted and name not in exact
    )


__all__ = [
    "INSTRUCTION_NAMES",
    "UNSUPPORTED_DIRECTORIES",
    "UNSUPPORTED_NAMES",
    "find_instruction_files",
    "find_not_recognised",
    "find_unsupported_files",
]
