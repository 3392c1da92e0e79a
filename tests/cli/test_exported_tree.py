"""A pin as a read-only tree: true to the byte, and never outside its directory."""

from pathlib import Path

import pytest

from driftpin.cli.exported_tree import plan_tree, write_tree
from driftpin.context.resource import (
    InstructionBody,
    Kind,
    Resource,
    SkillBody,
    SkillFile,
    Status,
)
from driftpin.errors import Conflict, Rejected
from driftpin.identity import digest_of

TEXT = b"# Rules\n"
SCRIPT = b"#!/bin/sh\necho hi\n"
BLOBS = {digest_of(TEXT): TEXT, digest_of(SCRIPT): SCRIPT}


def instruction(source: str) -> Resource:
    body = InstructionBody(digest_of(TEXT))
    return Resource(Kind.INSTRUCTION_FILE, source, Status.OK, body=body)


def skill(source: str, *paths: str) -> Resource:
    files = tuple(SkillFile(path, executable=True, digest=digest_of(SCRIPT)) for path in paths)
    return Resource(Kind.SKILL, source, Status.OK, body=SkillBody("s", "d", files))


def test_tree_has_the_pinned_bytes_at_their_places_and_nothing_can_be_written(
    tmp_path: Path,
) -> None:
    resources = [
        instruction("workspace:AGENTS.md"),
        instruction("user:.claude/CLAUDE.md"),
        skill("workspace:.agents/skills/tidy", "SKILL.md", "scripts/run.sh"),
        Resource(Kind.SKILL, "workspace:skills/bad", Status.INVALID, "no_front_matter"),
    ]
    tree = tmp_path / "new" / "tree"
    write_tree(tree, b"{}", plan_tree(resources), BLOBS)
    found = {
        str(path.relative_to(tree)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in tree.rglob("*")
        if path.is_file()
    }
    assert found == {
        "AGENTS.md": (TEXT, 0o444),
        ".driftpin/manifest.json": (b"{}", 0o444),
        ".driftpin/roots/user/.claude/CLAUDE.md": (TEXT, 0o444),
        ".agents/skills/tidy/SKILL.md": (SCRIPT, 0o555),
        ".agents/skills/tidy/scripts/run.sh": (SCRIPT, 0o555),
    }
    assert all(p.stat().st_mode & 0o222 == 0 for p in [tree, *tree.rglob("*")])


@pytest.mark.parametrize(
    "source",
    [
        "workspace:../escape",
        "workspace:/etc/passwd",
        "workspace:a/../../b",
        "workspace:a//b",
        "workspace:.",
        "workspace:",
        "workspace:a\0b",
        "workspace:.driftpin/manifest.json",
        "workspace:.DRIFTPIN/manifest.json",
        "../up:AGENTS.md",
        "no-colon",
        "workspace:" + "n" * 256,
        "workspace:\udcff",
    ],
)
def test_name_that_could_leave_the_directory_stops_the_export(source: str) -> None:
    with pytest.raises(Rejected) as refused:
        plan_tree([instruction(source)])
    assert refused.value.code == "unsafe_path"


@pytest.mark.parametrize("path", ["../../AGENTS.md", "/abs", "..", "a/./b", ""])
def test_skill_file_with_a_hostile_name_stops_the_export(path: str) -> None:
    with pytest.raises(Rejected):
        plan_tree([skill("workspace:skills/s", "SKILL.md", path)])


def test_two_files_for_one_place_are_refused(tmp_path: Path) -> None:
    clash = [instruction("workspace:skills/s/SKILL.md"), skill("workspace:skills/s", "SKILL.md")]
    with pytest.raises(Rejected):
        plan_tree(clash)
    file_as_directory = [instruction("workspace:skills"), skill("workspace:skills/s", "SKILL.md")]
    with pytest.raises(Rejected):
        write_tree(tmp_path / "t", b"{}", plan_tree(file_as_directory), BLOBS)
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_not_what_their_name_says_leave_nothing_behind(tmp_path: Path) -> None:
    planned = plan_tree([instruction("workspace:AGENTS.md")])
    with pytest.raises(Rejected) as refused:
        write_tree(tmp_path / "t", b"{}", planned, {digest_of(TEXT): b"forged"})
    assert refused.value.code == "digest_mismatch"
    assert list(tmp_path.iterdir()) == []


def test_what_stands_in_the_place_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("full", "full/mine", "link"):
        with pytest.raises(Conflict):
            write_tree(tmp_path / name, b"{}", (), {})
    assert (tmp_path / "full" / "mine").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_empty_directory_becomes_the_tree(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_tree(tmp_path / "empty", b"{}", plan_tree([instruction("workspace:AGENTS.md")]), BLOBS)
    assert (tmp_path / "empty" / "AGENTS.md").read_bytes() == TEXT
