"""Section A of the list of bad input: reading, with both ways of opening."""

import os
import tempfile
import threading
from pathlib import Path

import pytest

from agent.workspace import (
    CountingRead,
    Workspace,
    observation_of,
    ordinary_user,
    outcome_of,
)
from driftpin.agent.beneath import Opener
from driftpin.agent.resolve import ScanSettings
from driftpin.agent.roots import DeclaredSource
from driftpin.limits import (
    INSTRUCTION_BYTES_MAX,
)

AGENTS = "workspace:AGENTS.md"


@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        pytest.param(INSTRUCTION_BYTES_MAX, "ok", id="a14"),
        pytest.param(INSTRUCTION_BYTES_MAX + 1, "oversize/too_large", id="a15"),
    ],
)
def test_a14_a15_limit_of_an_instruction_file(
    workspace: Workspace, size: int, outcome: str
) -> None:
    workspace.write("AGENTS.md", b"a" * size)
    resolution = workspace.resolve()
    assert outcome_of(resolution, AGENTS) == outcome
    assert observation_of(resolution, AGENTS).size_bytes == size
    assert len(resolution.blobs) == (outcome == "ok")


def test_a16_sparse_file_is_oversize_and_not_read(workspace: Workspace) -> None:
    os.truncate(workspace.write("AGENTS.md", ""), 10 * 1024**3)
    os.truncate(workspace.skill("skills/tidy") / "SKILL.md", 10 * 1024**3)
    read = CountingRead()
    workspace.read = read
    resolution = workspace.resolve()
    assert outcome_of(resolution, AGENTS) == "oversize/too_large"
    assert outcome_of(resolution, "workspace:skills/tidy") == "oversize/too_large"
    assert read.calls == 0


def test_a17_growing_file_is_read_again_and_then_unstable(workspace: Workspace) -> None:
    file = workspace.write("AGENTS.md", "start")
    tries: list[int] = []

    def read_while_growing(descriptor: int, count: int) -> bytes:
        if os.lseek(descriptor, 0, os.SEEK_CUR) == 0:
            tries.append(descriptor)
            if len(tries) <= growths:
                with file.open("a") as growing:
                    growing.write("more")
        return os.read(descriptor, count)

    workspace.read = read_while_growing
    growths = 2
    assert workspace.outcome(AGENTS) == "ok"
    assert len(tries) == 3
    tries.clear()
    growths = 3
    assert workspace.outcome(AGENTS) == "unreadable/unstable"
    assert len(tries) == 3


def test_a18_truncated_then_rewritten_ends_with_the_final_text(workspace: Workspace) -> None:
    file = workspace.write("AGENTS.md", "old")
    resolver = workspace.resolver()
    first = resolver.resolve()
    file.write_text("")
    file.write_text("new")
    assert not first.is_still_current()
    assert [content for _, content in resolver.resolve().blobs.items()] == [b"new"]


def test_a19_atomic_saves_are_never_a_missing_file(workspace: Workspace) -> None:
    file = workspace.write("AGENTS.md", "text 0")
    resolver = workspace.resolver()
    stop = threading.Event()

    def save() -> None:
        while not stop.is_set():
            spare = file.with_name("spare")
            spare.write_text("text")
            spare.replace(file)

    thread = threading.Thread(target=save)
    thread.start()
    try:
        outcomes = {outcome_of(resolver.resolve(), AGENTS) for _ in range(200)}
    finally:
        stop.set()
        thread.join(5)
    assert outcomes <= {"ok", "unreadable/unstable"}


def test_a20_no_permission_to_read(opener: Opener) -> None:
    with tempfile.TemporaryDirectory() as directory:
        workspace = Workspace(Path(directory).resolve(), opener)
        file = workspace.write("AGENTS.md", "Be kind.")
        folder = workspace.skill("skills/tidy")
        closed = workspace.write(".github/copilot-instructions.md", "x").parent
        file.chmod(0)
        (folder / "SKILL.md").chmod(0)
        closed.chmod(0)
        try:
            with ordinary_user(workspace.path, file, closed, folder, folder / "SKILL.md"):
                resolution = workspace.resolve()
        finally:
            closed.chmod(0o700)
    assert outcome_of(resolution, AGENTS) == "unreadable/permission"
    assert outcome_of(resolution, "workspace:skills/tidy") == "unreadable/permission"
    in_closed = "workspace:.github/copilot-instructions.md"
    assert outcome_of(resolution, in_closed) == "unreadable/permission"


def test_a20_a_root_behind_a_closed_directory_is_an_error_of_its_own(opener: Opener) -> None:
    with tempfile.TemporaryDirectory() as directory:
        workspace = Workspace(Path(directory).resolve() / "workspace", opener)
        file = workspace.write("AGENTS.md", "Be kind.")
        source = Path(directory).resolve() / "closed" / "inner" / "source"
        source.mkdir(parents=True)
        closed = source.parent.parent
        workspace.sources.append(DeclaredSource("more", source))
        closed.chmod(0)
        try:
            with ordinary_user(Path(directory), workspace.path, file, closed):
                resolution = workspace.resolve()
        finally:
            closed.chmod(0o700)
    assert resolution.observations.errors == ("root_unreadable:more",)
    assert outcome_of(resolution, AGENTS) == "ok"


def test_the_directory_of_a_linked_container_is_watched(workspace: Workspace) -> None:
    workspace.skill("kept/tidy")
    workspace.link(".claude/skills", "../kept")
    watched = workspace.resolve().watch
    assert {workspace.path / ".claude", workspace.path / "kept"} <= watched


def test_a21_input_output_error(opener: Opener) -> None:
    process = Workspace(Path("/proc/self"), opener, settings=ScanSettings(("mem",)))
    assert process.outcome("workspace:mem") == "unreadable/io_error"
