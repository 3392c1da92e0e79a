"""Section A of the list of bad input: links and what is no file, with both ways of opening."""

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.workspace import (
    Workspace,
    observation_of,
    outcome_of,
    warnings_of,
)
from driftpin.agent.beneath import Opener
from driftpin.agent.resolve import ScanSettings
from driftpin.context.resource import Status

AGENTS = "workspace:AGENTS.md"
SECRET = "outside bytes that must not be seen"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "secret.md").write_text(SECRET)
    return directory


def test_a1_link_to_outside_is_refused_without_naming_its_target(
    workspace: Workspace, outside: Path
) -> None:
    workspace.link("AGENTS.md", "../outside/secret.md")
    workspace.link("CLAUDE.md", outside / "secret.md")
    resolution = workspace.resolve()
    assert outcome_of(resolution, AGENTS) == "invalid/path_escape"
    assert outcome_of(resolution, "workspace:CLAUDE.md") == "invalid/path_escape"
    assert len(resolution.blobs) == 0
    assert b"secret" not in resolution.snapshot.manifest
    assert "secret" not in repr(resolution.observations.resources)


def test_a2_link_inside_is_one_resource_with_its_alias(workspace: Workspace) -> None:
    workspace.write("AGENTS.md", "Be kind.")
    workspace.link("CLAUDE.md", "AGENTS.md")
    workspace.link("GEMINI.md", "CLAUDE.md")
    resolution = workspace.resolve()
    assert [each.source for each in resolution.snapshot.resources] == [AGENTS]
    aliases = observation_of(resolution, AGENTS).aliases
    assert aliases == ("workspace:CLAUDE.md", "workspace:GEMINI.md")


def test_a2_link_to_another_place_inside_notes_that_place(workspace: Workspace) -> None:
    workspace.write("docs/guide.md", "Be kind.")
    workspace.link("AGENTS.md", "./docs/../docs/guide.md")
    resolution = workspace.resolve()
    assert outcome_of(resolution, AGENTS) == "ok"
    assert observation_of(resolution, AGENTS).aliases == ("workspace:docs/guide.md",)


def test_a2_linked_skill_folder_and_container_are_one_skill(workspace: Workspace) -> None:
    workspace.skill(".agents/skills/tidy")
    workspace.link(".claude/skills", "../.agents/skills")
    workspace.link(".codex/skills/tidy", "../../.agents/skills/tidy")
    workspace.write("shared/impl/SKILL.md", "---\nname: neat\ndescription: x\n---\n")
    workspace.link("skills/neat", "../shared/impl")
    resolution = workspace.resolve()
    skills = {each.source: each.status for each in resolution.snapshot.resources}
    assert skills == {
        "workspace:.agents/skills/tidy": Status.OK,
        "workspace:skills/neat": Status.OK,
    }
    aliases = observation_of(resolution, "workspace:.agents/skills/tidy").aliases
    assert aliases == ("workspace:.claude/skills/tidy", "workspace:.codex/skills/tidy")


def test_link_to_what_must_not_leave_the_workspace_is_refused(workspace: Workspace) -> None:
    workspace.write(".mcp.json", '{"mcpServers": {}}')
    workspace.write(".git/config", "url = https://user:password@example.com")
    workspace.link("AGENTS.md", ".mcp.json")
    workspace.link("CLAUDE.md", ".git/config")
    resolution = workspace.resolve()
    assert outcome_of(resolution, AGENTS) == "invalid/private_target"
    assert outcome_of(resolution, "workspace:CLAUDE.md") == "invalid/private_target"
    assert len(resolution.blobs) == 0


def test_a3_linked_parent_to_outside_is_refused(workspace: Workspace, outside: Path) -> None:
    (outside / "copilot-instructions.md").write_text(SECRET)
    (outside / "SKILL.md").write_text(SECRET)
    workspace.link(".github", outside)
    workspace.link("skills/evil", "../../outside")
    workspace.link(".claude/skills", outside)
    resolution = workspace.resolve()
    refused = "workspace:.github/copilot-instructions.md"
    assert outcome_of(resolution, refused) == "invalid/path_escape"
    assert outcome_of(resolution, "workspace:skills/evil") == "invalid/path_escape"
    assert outcome_of(resolution, "workspace:.claude/skills") == "invalid/path_escape"
    assert not any(path.is_relative_to(outside) for path in map(Path.resolve, resolution.watch))


def test_a4_link_loop(workspace: Workspace) -> None:
    workspace.link("AGENTS.md", "CLAUDE.md")
    workspace.link("CLAUDE.md", "AGENTS.md")
    assert workspace.outcome(AGENTS) == "unreadable/link_loop"


def test_a5_dangling_link(workspace: Workspace) -> None:
    workspace.link("AGENTS.md", "gone.md")
    workspace.link(".github", "gone")
    resolution = workspace.resolve()
    assert outcome_of(resolution, AGENTS) == "unreadable/not_found"
    assert len(resolution.snapshot.resources) == 1


@pytest.mark.parametrize(("links", "outcome"), [(40, "ok"), (41, "unreadable/link_loop")])
def test_a6_chained_links(workspace: Workspace, links: int, outcome: str) -> None:
    workspace.write("link-0", "Be kind.")
    for number in range(1, links):
        workspace.link(f"link-{number}", f"link-{number - 1}")
    workspace.link("AGENTS.md", f"link-{links - 1}")
    assert workspace.outcome(AGENTS) == outcome


def test_a7_hard_link_is_a_warning_and_strictly_refused(
    workspace: Workspace, outside: Path
) -> None:
    (workspace.path / "AGENTS.md").hardlink_to(outside / "secret.md")
    resolution = workspace.resolve()
    assert outcome_of(resolution, AGENTS) == "ok"
    assert warnings_of(resolution, AGENTS) == ["multiple_links"]
    workspace.settings = ScanSettings(is_strict=True)
    assert workspace.outcome(AGENTS) == "invalid/hard_link"


def test_a8_named_pipe_is_refused_without_waiting(workspace: Workspace) -> None:
    os.mkfifo(workspace.path / "AGENTS.md")
    workspace.link("CLAUDE.md", "AGENTS.md")
    resolution = workspace.resolve()
    assert outcome_of(resolution, AGENTS) == "invalid/not_regular"
    assert observation_of(resolution, AGENTS).aliases == ("workspace:CLAUDE.md",)


def test_a8_pipe_that_takes_a_files_place_is_opened_without_waiting(
    workspace: Workspace,
) -> None:
    os.mkfifo(workspace.path / "pipe")
    root = os.open(workspace.path, os.O_PATH)
    try:
        refused = workspace.resolver()._reader.read_file(root, "pipe", 10)
    finally:
        os.close(root)
    assert getattr(refused, "reason", "") == "not_regular"


def test_a9_socket_and_device_are_refused(workspace: Workspace, opener: Opener) -> None:
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{short}/AGENTS.md")
        at_socket = Workspace(Path(short), opener)
        assert at_socket.outcome(AGENTS) == "invalid/not_regular"
    devices = Workspace(Path("/dev"), opener, settings=ScanSettings(("null",)))
    assert devices.outcome("workspace:null") == "invalid/not_regular"


def test_a10_directory_with_the_name_of_a_file(workspace: Workspace) -> None:
    (workspace.path / "AGENTS.md").mkdir()
    workspace.link("CLAUDE.md", ".")
    resolution = workspace.resolve()
    assert outcome_of(resolution, AGENTS) == "invalid/not_regular"
    assert outcome_of(resolution, "workspace:CLAUDE.md") == "invalid/not_regular"


def test_a11_magic_link_leads_outside(opener: Opener) -> None:
    process = Workspace(
        Path("/proc/self"), opener, settings=ScanSettings(("cwd/AGENTS.md", "exe", "root"))
    )
    resolution = process.resolve()
    outcomes = {outcome_of(resolution, f"workspace:{name}") for name in ("exe", "root")}
    assert outcomes == {"invalid/path_escape"}
    assert outcome_of(resolution, "workspace:cwd/AGENTS.md") == "invalid/path_escape"


def test_a12_root_replaced_by_a_link_is_not_followed(workspace: Workspace, outside: Path) -> None:
    workspace.write("AGENTS.md", "Be kind.")
    (outside / "AGENTS.md").write_text(SECRET)
    resolver = workspace.resolver()
    before = resolver.resolve()
    workspace.path.rename(workspace.path.with_name("moved"))
    workspace.path.symlink_to(outside)
    after = resolver.resolve()
    assert not before.is_still_current()
    assert after.observations.errors == ("root_replaced:workspace",)
    assert after.snapshot.resources == ()
    assert list(before.blobs.items()) == []


@contextmanager
def swapping(path: Path, target: Path) -> Iterator[None]:
    """Swap a file and a link for each other, as fast as it goes."""
    stop = threading.Event()
    spare = path.with_name("spare")

    def swap() -> None:
        while not stop.is_set():
            spare.symlink_to(target)
            spare.replace(path)
            spare.write_text("inside")
            spare.replace(path)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)


def test_a13_swapped_file_never_gives_outside_bytes(workspace: Workspace, outside: Path) -> None:
    file = workspace.write("AGENTS.md", "inside")
    resolver = workspace.resolver()
    with swapping(file, outside / "secret.md"):
        for _ in range(300):
            resolution = resolver.resolve()
            assert all(content == b"inside" for _, content in resolution.blobs.items())


def test_a13_swapped_parent_never_gives_outside_bytes(workspace: Workspace, outside: Path) -> None:
    inside = workspace.path / "inside"
    inside.mkdir()
    for directory, text in ((inside, "inside"), (outside, SECRET)):
        (directory / "copilot-instructions.md").write_text(text)
    parent = workspace.path / ".github"
    parent.symlink_to("inside")
    resolver = workspace.resolver()
    stop = threading.Event()

    def swap() -> None:
        spare = workspace.path / "spare"
        while not stop.is_set():
            for target in (outside, Path("inside")):
                spare.symlink_to(target)
                spare.replace(parent)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(300):
            resolution = resolver.resolve()
            assert all(content == b"inside" for _, content in resolution.blobs.items())
    finally:
        stop.set()
        thread.join(5)
