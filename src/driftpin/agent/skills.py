"""Skills: every child directory of a container that has a `SKILL.md`."""

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from driftpin.agent.candidate import (
    Candidate,
    Collapsed,
    Named,
    collapse_links,
    refused_candidate,
)
from driftpin.agent.instruction_files import BAD_NAME
from driftpin.agent.judging import SKILL_TEXT_NAME, judge_skill_text
from driftpin.agent.names import is_bad_name, joined
from driftpin.agent.reading import Refusal
from driftpin.agent.root_view import TOO_MANY_ENTRIES, Found, RootView
from driftpin.agent.skill_folder import ignored_rule, read_skill_folder
from driftpin.agent.stat_cache import FileReading, Purpose
from driftpin.context.resource import Kind, Resource, SkillBody, Status
from driftpin.limits import SKILL_TEXT_BYTES_MAX

SKILL_CONTAINERS: Final = ("skills", ".agents/skills", ".claude/skills", ".codex/skills")
RESERVED_NAMES: Final = frozenset(
    {
        "driftpin",
        "list-files",
        "read-file",
        "read-skill",
        "read-skill-file",
        "search-files",
    }
)
SCAN_BUDGET: Final = Refusal(Status.EXCLUDED, "scan_budget")
RESERVED_NAME: Final = Refusal(Status.EXCLUDED, "reserved_name")
DUPLICATE_NAME: Final = Refusal(Status.INVALID, "duplicate_name")


def find_skills(view: RootView, entries_max: int) -> Iterator[Candidate]:
    """Yield a candidate for every skill in the root's containers."""
    folders: list[Named] = []
    containers = ("", *SKILL_CONTAINERS) if view.root.is_skill_container else SKILL_CONTAINERS
    for container in containers:
        for each in _in_container(view, container, entries_max):
            if isinstance(each, Candidate):
                yield each
            else:
                folders.append(each)
    for collapsed in collapse_links(view, folders):
        yield _skill(view, collapsed)


def _in_container(view: RootView, container: str, entries_max: int) -> Iterator[Named | Candidate]:
    found = view.look(container)
    if found is None or (isinstance(found, Found) and not found.key.is_directory):
        view.watched.add(container)
        return
    names = found if isinstance(found, Refusal) else view.names_in(container, found, entries_max)
    if isinstance(names, Refusal):
        yield from _not_listed(view, container, names)
        return
    yield from _children(view, container, names)


def _not_listed(view: RootView, container: str, refusal: Refusal) -> Iterator[Candidate]:
    if refusal is TOO_MANY_ENTRIES or not container:
        view.report(refusal, container)
    # The root itself has no source of its own.
    if container:
        listed = SCAN_BUDGET if refusal is TOO_MANY_ENTRIES else refusal
        yield refused_candidate(Kind.SKILL, view.root.source(container), listed)


def _children(
    view: RootView, container: str, names: tuple[str, ...]
) -> Iterator[Named | Candidate]:
    taken: set[str] = set()
    for name in names:
        path = joined(container, name)
        child = None if ignored_rule(name) else _child(view, path)
        if child is None:
            continue
        # The widest normal form: directories that a reader would take for each other.
        normal = unicodedata.normalize("NFKC", name)
        if normal in taken:
            yield refused_candidate(Kind.SKILL, view.root.source(path), DUPLICATE_NAME)
        elif is_bad_name(name):
            yield refused_candidate(Kind.SKILL, view.root.source(path), BAD_NAME)
        elif isinstance(child, Refusal):
            yield refused_candidate(Kind.SKILL, view.root.source(path), child)
        else:
            yield Named(path, child)
        taken.add(normal)


def _child(view: RootView, path: str) -> Found | Refusal | None:
    """Return the directory of a skill, None for what is no skill."""
    found = view.look(path)
    if not isinstance(found, Found):
        return found
    if not found.key.is_directory:
        return None
    view.watched.add(path)
    return found if view.look(joined(path, SKILL_TEXT_NAME)) is not None else None


def _skill(view: RootView, collapsed: Collapsed) -> Candidate:
    path = collapsed.named.path
    source = view.root.source(path)
    text = _text(view, path)
    if text.header is None:
        refusal = Refusal(text.status, text.reason, text.size_bytes)
        refused = refused_candidate(Kind.SKILL, source, refusal, warnings=text.findings)
        return replace(refused, aliases=collapsed.aliases)
    if text.header.name in RESERVED_NAMES:
        return refused_candidate(Kind.SKILL, source, RESERVED_NAME)
    folder = read_skill_folder(view, path, collapsed.named.found, text)
    if isinstance(folder, Refusal):
        return refused_candidate(Kind.SKILL, source, folder)
    body = SkillBody(text.header.name, text.header.description, folder.files)
    return Candidate(
        Resource(Kind.SKILL, source, Status.OK, body=body),
        size_bytes=folder.size_bytes,
        text_bytes=text.size_bytes or 0,
        blobs=folder.blobs,
        aliases=collapsed.aliases,
        warnings=(*text.findings, *folder.findings),
    )


def _text(view: RootView, path: str) -> FileReading:
    """Return what the `SKILL.md` of a folder amounts to; its header is None if it is refused."""
    text_path = joined(path, SKILL_TEXT_NAME)
    found = view.look(text_path)
    if not isinstance(found, Found):
        refusal = found or Refusal(Status.UNREADABLE, "not_found")
        return FileReading(refusal.status, refusal.reason)
    judge = judge_skill_text(path.rpartition("/")[2])
    return view.read(Purpose.SKILL_TEXT, text_path, found, SKILL_TEXT_BYTES_MAX, judge)


__all__ = ["RESERVED_NAMES", "SKILL_CONTAINERS", "find_skills"]
