"""The throw-away workspace of the demo: a copy of what DIR brings, with examples where it lacks."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.agent.resolve import Resolution, Resolver
from driftpin.agent.roots import WORKSPACE_LABEL, list_roots
from driftpin.cli.exported_tree import plan_tree
from driftpin.context.resource import Kind, Resource, SkillBody, Status

SKILL_TEXT_NAME: Final = "SKILL.md"
NEW_RULE: Final = "For the driftpin demo, say which files you changed."
NEW_SCRIPT_LINE: Final = "echo 'checked twice'"
EXAMPLE_RULES: Final = "# Working here\n\nRun the tests before you say that something works.\n"
EXAMPLE_SKILL_TEXT: Final = (
    "---\nname: driftpin-demo-links\n"
    "description: Use when links in a document may be broken.\n---\n"
    "Run `scripts/check.sh FILE` and report every link that does not answer.\n"
)
EXAMPLE_SCRIPT: Final = "#!/bin/sh\ngrep -o 'https\\?://[^ )]*' \"$1\" | sort -u\n"
EXAMPLE_SKILL: Final = ".agents/skills/driftpin-demo-links"
EXAMPLE_SCRIPT_PATH: Final = "scripts/check.sh"


@dataclass(frozen=True, slots=True)
class Edited:
    """A file that the story edits: its resource, its place, and its bytes before and after."""

    source: str
    path: Path
    before: bytes
    after: bytes

    def edit(self) -> None:
        """Write the new bytes."""
        self.path.write_bytes(self.after)

    def revert(self) -> None:
        """Write the old bytes back."""
        self.path.write_bytes(self.before)


@dataclass(frozen=True, slots=True)
class DemoWorkspace:
    """The copy, what of it the story edits, and which examples it had to add."""

    directory: Path
    rules: Edited
    script: Edited
    copied: int
    examples: tuple[str, ...]


def resolve_workspace(directory: Path) -> Resolution:
    """Return what the directory alone brings, without the user's own files."""
    return Resolver(list_roots(directory)).resolve()


def make_workspace(origin: Path, directory: Path) -> DemoWorkspace:
    """Copy the usable context of `origin` into `directory`, which must be empty; add examples."""
    found = resolve_workspace(origin)
    usable = [each for each in found.snapshot.resources if _is_usable(each)]
    planned = plan_tree(usable)
    for file in planned:
        mode = 0o755 if file.is_executable else 0o644
        _write(directory.joinpath(*file.parts), found.blobs[file.digest], mode)
    examples = tuple(_add_examples(directory, usable))
    resources = resolve_workspace(directory).snapshot.resources
    return DemoWorkspace(
        directory=directory,
        rules=_rules_to_edit(directory, resources),
        script=_script_to_edit(directory, resources),
        copied=len(planned),
        examples=examples,
    )


def _is_usable(resource: Resource) -> bool:
    return resource.status is Status.OK and resource.kind in (Kind.INSTRUCTION_FILE, Kind.SKILL)


def _add_examples(directory: Path, present: Iterable[Resource]) -> Iterable[str]:
    resources = list(present)
    if not any(each.kind is Kind.INSTRUCTION_FILE for each in resources):
        _write(directory / "AGENTS.md", EXAMPLE_RULES.encode(), 0o644)
        yield "AGENTS.md"
    if not any(_scripts_of(each) for each in resources):
        folder = directory / EXAMPLE_SKILL
        _write(folder / SKILL_TEXT_NAME, EXAMPLE_SKILL_TEXT.encode(), 0o644)
        _write(folder / EXAMPLE_SCRIPT_PATH, EXAMPLE_SCRIPT.encode(), 0o755)
        yield EXAMPLE_SKILL


def _scripts_of(resource: Resource) -> tuple[str, ...]:
    match resource.body:
        case SkillBody(files=files):
            pinned = (file.path for file in files if file.status is Status.OK)
            return tuple(path for path in pinned if path.endswith(".sh"))
        case _:
            return ()


def _rules_to_edit(directory: Path, resources: Iterable[Resource]) -> Edited:
    chosen = next(each for each in resources if each.kind is Kind.INSTRUCTION_FILE)
    path = _path_of(directory, chosen)
    before = path.read_bytes()
    return Edited(chosen.source, path, before, before + f"\n{NEW_RULE}\n".encode())


def _script_to_edit(directory: Path, resources: Iterable[Resource]) -> Edited:
    chosen = next(each for each in resources if _scripts_of(each))
    path = _path_of(directory, chosen) / _scripts_of(chosen)[0]
    before = path.read_bytes()
    return Edited(chosen.source, path, before, before + f"\n{NEW_SCRIPT_LINE}\n".encode())


def _path_of(directory: Path, resource: Resource) -> Path:
    return directory / resource.source.removeprefix(f"{WORKSPACE_LABEL}:")


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


__all__ = [
    "NEW_RULE",
    "NEW_SCRIPT_LINE",
    "DemoWorkspace",
    "Edited",
    "make_workspace",
    "resolve_workspace",
]
