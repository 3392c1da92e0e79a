"""What holds for passes: they repeat, they read nothing twice, and they say what to watch."""

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.workspace import CountingRead, Workspace, outcome_of
from driftpin.agent.beneath import WalkingOpener, detected_opener
from driftpin.agent.reading import Reader
from driftpin.agent.resolve import Resolver
from driftpin.agent.roots import DeclaredSource, list_roots
from driftpin.clock import SystemClock
from driftpin.context.resource import blobs_of
from driftpin.errors import DriftpinError
from driftpin.identity import digest_of

FILES = (
    "AGENTS.md",
    "CLAUDE.md",
    ".github/copilot-instructions.md",
    ".mcp.json",
    ".cursor/rules/one.mdc",
    ".agents/skills/alpha/SKILL.md",
    ".agents/skills/alpha/scripts/run.sh",
    ".claude/skills/beta/SKILL.md",
    "skills/beta/SKILL.md",
    "skills/gamma/notes.txt",
)


def build(root: Path, paths: list[str]) -> bytes:
    workspace = Workspace(root, detected_opener())
    for path in paths:
        name = Path(path).parent.name
        workspace.write(path, f"---\nname: {name}\ndescription: x\n---\n{path}\n")
    return workspace.resolve().snapshot.manifest


@given(order=st.permutations(FILES))
@settings(max_examples=15, deadline=None)
def test_order_of_creation_and_place_do_not_matter(order: list[str]) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory(prefix="two") as two:
        assert build(Path(one) / "deep/er", list(FILES)) == build(Path(two), order)


def test_copied_tree_has_the_same_digest(workspace: Workspace, tmp_path: Path) -> None:
    workspace.write("docs/guide.md", "Be kind.")
    workspace.link("AGENTS.md", "docs/guide.md")
    workspace.link("CLAUDE.md", "AGENTS.md")
    (workspace.path / "GEMINI.md").hardlink_to(workspace.path / "docs/guide.md")
    workspace.skill(".agents/skills/tidy")
    workspace.link(".claude/skills", "../.agents/skills")
    copy = Workspace(tmp_path / "elsewhere/copy", workspace.opener)
    shutil.copytree(workspace.path, copy.path, symlinks=True)
    assert copy.resolve().snapshot.manifest == workspace.resolve().snapshot.manifest


def test_unchanged_workspace_is_not_read_again(workspace: Workspace) -> None:
    read = CountingRead()
    workspace.read = read
    for number in range(499):
        workspace.skill(f"skills/skill-{number}")
    workspace.write("AGENTS.md", "Be kind.")
    resolver = workspace.resolver()
    first = resolver.resolve()
    calls = read.calls
    second = resolver.resolve()
    assert len(second.snapshot.resources) == 500
    assert read.calls == calls
    assert (second.read_stats.files_read, second.read_stats.directories_listed) == (0, 0)
    assert second.snapshot is first.snapshot
    assert second.observations is first.observations


def test_after_an_edit_only_that_file_is_read(workspace: Workspace) -> None:
    workspace.write("AGENTS.md", "Be kind.")
    folder = workspace.skill("skills/tidy")
    resolver = workspace.resolver()
    first = resolver.resolve()
    (folder / "SKILL.md").write_text("---\nname: tidy\ndescription: New.\n---\n")
    assert not first.is_still_current()
    second = resolver.resolve()
    assert (second.read_stats.files_read, second.read_stats.directories_listed) == (1, 0)
    assert second.snapshot.digest != first.snapshot.digest
    assert second.is_still_current()


@pytest.mark.parametrize(
    "path",
    [
        "CLAUDE.md",
        ".github/copilot-instructions.md",
        ".mcp.json",
        "skills/new/SKILL.md",
        "skills/tidy/scripts/more.sh",
        "skills/tidy/new.txt",
        ".codex/skills/new/SKILL.md",
    ],
)
def test_whatever_appears_is_seen(workspace: Workspace, path: str) -> None:
    workspace.skill("skills/tidy")
    workspace.write("skills/tidy/scripts/run.sh", "x")
    workspace.write("docs/readme.md", "x")
    resolver = workspace.resolver()
    first = resolver.resolve()
    workspace.write(path, "{}")
    assert not first.is_still_current()
    assert resolver.resolve().snapshot.digest != first.snapshot.digest


def test_file_beside_the_context_changes_nothing(workspace: Workspace) -> None:
    workspace.write("AGENTS.md", "Be kind.")
    resolver = workspace.resolver()
    first = resolver.resolve()
    workspace.write("main.py", "x")
    assert first.is_still_current()
    assert resolver.resolve().snapshot is first.snapshot


def test_lower_case_name_that_appears_later_is_noted(workspace: Workspace) -> None:
    resolver = workspace.resolver()
    first = resolver.resolve()
    workspace.write("agents.md", "x")
    assert first.observations.not_recognised == ()
    assert resolver.resolve().observations.not_recognised == ("workspace:agents.md",)


@pytest.mark.parametrize("parent", [".github", ".agents", ".agents/skills", ".agents/skills/tidy"])
def test_parent_swapped_for_a_link_is_noticed(
    workspace: Workspace, tmp_path: Path, parent: str
) -> None:
    workspace.write(".github/copilot-instructions.md", "x")
    workspace.skill(".agents/skills/tidy")
    resolver = workspace.resolver()
    first = resolver.resolve()
    directory = workspace.path / parent
    directory.rename(tmp_path / "moved")
    directory.symlink_to(tmp_path / "moved")
    assert not first.is_still_current()
    resolution = resolver.resolve()
    assert {each.reason for each in resolution.snapshot.resources} >= {"path_escape"}


def test_target_of_a_link_that_changes_is_noticed(workspace: Workspace) -> None:
    target = workspace.write("docs/guide.md", "old")
    workspace.link("AGENTS.md", "docs/guide.md")
    resolver = workspace.resolver()
    first = resolver.resolve()
    assert target.parent in first.watch
    target.write_text("new")
    assert not first.is_still_current()
    assert [each for _, each in resolver.resolve().blobs.items()] == [b"new"]


def test_fresh_file_is_read_again_until_it_is_at_rest(workspace: Workspace) -> None:
    """An edit within one tick of the file system's clock leaves no other trace than its bytes."""
    workspace.write("AGENTS.md", "x")
    roots = list_roots(workspace.path)
    resolver = Resolver(roots, clock=SystemClock(), reader=Reader(workspace.opener))
    first = resolver.resolve()
    second = resolver.resolve()
    assert not first.is_settled
    assert second.read_stats.files_read == 1
    assert second.snapshot is first.snapshot


def test_bytes_of_a_fresh_file_can_be_pushed_after_it_changed(workspace: Workspace) -> None:
    file = workspace.write("AGENTS.md", "old")
    roots = list_roots(workspace.path)
    resolution = Resolver(roots, clock=SystemClock(), reader=Reader(workspace.opener)).resolve()
    file.write_text("new")
    assert resolution.blobs[digest_of(b"old")] == b"old"


def test_bytes_of_a_changed_file_are_never_given_for_the_old_ones(workspace: Workspace) -> None:
    file = workspace.write("AGENTS.md", "old")
    workspace.write("CLAUDE.md", "other")
    resolution = workspace.resolve()
    file.write_text("new")
    with pytest.raises(KeyError):
        resolution.blobs[digest_of(b"old")]
    assert list(resolution.blobs.items()) == [(digest_of(b"other"), b"other")]


def test_blobs_are_what_ok_resources_name(workspace: Workspace) -> None:
    workspace.write("AGENTS.md", "Be kind.")
    workspace.write(".mcp.json", "{}")
    workspace.skill("skills/broken", text="no header")
    folder = workspace.skill("skills/tidy")
    (folder / "large.bin").write_bytes(b"x" * 600_000)
    resolution = workspace.resolve()
    named = {blob.digest for each in resolution.snapshot.resources for blob in blobs_of(each)}
    assert set(resolution.blobs) == named
    assert {digest_of(content) for _, content in resolution.blobs.items()} == named


def test_directories_to_watch(workspace: Workspace, tmp_path: Path) -> None:
    workspace.home = tmp_path / "home"
    (workspace.home / ".config").mkdir(parents=True)
    folder = workspace.skill("skills/tidy")
    (folder / "scripts").mkdir()
    (workspace.path / ".agents").mkdir()
    root = workspace.path
    assert workspace.resolve().watch == {
        root,
        root / "skills",
        folder,
        folder / "scripts",
        root / ".agents",
        workspace.home,
        workspace.home / ".config",
    }


def test_the_places_of_the_user_may_be_missing_and_a_declared_one_may_not(
    workspace: Workspace, tmp_path: Path
) -> None:
    workspace.home = tmp_path / "home"
    assert workspace.resolve().observations.errors == ()
    workspace.sources = [DeclaredSource("team", tmp_path / "gone")]
    assert workspace.resolve().observations.errors == ("root_missing:team",)


def test_one_directory_under_two_names_is_one_root(workspace: Workspace) -> None:
    workspace.write("AGENTS.md", "Be kind.")
    link = workspace.path.with_name("link")
    link.symlink_to(workspace.path)
    workspace.sources = [DeclaredSource("team", link)]
    resolution = workspace.resolve()
    assert [each.source for each in resolution.snapshot.resources] == ["team:AGENTS.md"]


def open_handles() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_handle_is_left_open(workspace: Workspace, tmp_path: Path) -> None:
    workspace.link("AGENTS.md", "CLAUDE.md")
    workspace.link("CLAUDE.md", tmp_path)
    workspace.link("GEMINI.md", "./docs/../skills/tidy/SKILL.md")
    workspace.write("docs/x", "x")
    workspace.skill("skills/tidy")
    resolver = workspace.resolver()
    resolver.resolve()
    before = open_handles()
    workspace.write("skills/tidy/more", "x")
    resolver.resolve().is_still_current()
    assert open_handles() == before


def test_both_ways_of_opening_give_the_same(tmp_path: Path) -> None:
    shuffled = random.Random(7).sample(FILES, len(FILES))
    manifest = build(tmp_path, shuffled)
    walked = Workspace(tmp_path, WalkingOpener()).resolve()
    assert walked.snapshot.manifest == manifest
    assert outcome_of(walked, "workspace:AGENTS.md") == "ok"


@pytest.mark.parametrize("label", ["", "workspace", "user", "mcp", "Team", "a:b", "a/b", "-a"])
def test_label_that_cannot_name_a_source_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(DriftpinError) as refused:
        list_roots(tmp_path, sources=[DeclaredSource(label, tmp_path)])
    assert refused.value.code == "bad_source_name"
