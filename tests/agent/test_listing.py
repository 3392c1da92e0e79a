"""Section A of the list of bad input: names, caps and folders, with both ways of opening."""

import os
import tempfile
import unicodedata
from pathlib import Path
from shutil import rmtree

import pytest

from agent.workspace import (
    Workspace,
    outcome_of,
    resource_of,
    warnings_of,
)
from driftpin.agent.beneath import Opener
from driftpin.agent.resolve import ScanSettings
from driftpin.agent.roots import DeclaredSource
from driftpin.context.resource import SkillBody, Status
from driftpin.limits import (
    INSTRUCTION_BYTES_MAX,
    SKILL_BYTES_MAX,
    SKILL_FILE_BYTES_MAX,
    SKILL_FILES_MAX,
    SNAPSHOT_RESOURCES_MAX,
    SOURCE_BYTES_MAX,
)

AGENTS = "workspace:AGENTS.md"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param(b"ti\ndy", r"ti\x0ady", id="a22-newline"),
        pytest.param(b"ti\x1bdy", r"ti\x1bdy", id="a22-escape"),
        pytest.param("ti\u202edy".encode(), r"ti\u{202e}dy", id="a22-bidi"),
        pytest.param(b"ti\\dy", r"ti\\dy", id="backslash"),
        pytest.param(b"ti\xffdy", r"ti\xffdy", id="a23"),
    ],
)
def test_a22_a23_bad_names_are_shown_escaped(workspace: Workspace, name: bytes, shown: str) -> None:
    folder = os.fsencode(workspace.path) + b"/skills/" + name
    Path(os.fsdecode(folder)).mkdir(parents=True)
    (Path(os.fsdecode(folder)) / "SKILL.md").write_text("---\nname: tidy\n---\n")
    good = workspace.skill("skills/good")
    (Path(os.fsdecode(os.fsencode(good) + b"/" + name))).write_text("x")
    workspace.write(".cursor/rules/fine.mdc", "x")
    (workspace.path / ".cursor/rules" / os.fsdecode(name)).write_text("x")
    resolution = workspace.resolve()
    assert outcome_of(resolution, f"workspace:skills/{shown}") == "invalid/bad_name"
    assert outcome_of(resolution, f"workspace:.cursor/rules/{shown}") == "invalid/bad_name"
    body = resource_of(resolution, "workspace:skills/good").body
    assert isinstance(body, SkillBody)
    listed = {file.path: f"{file.status}/{file.reason}" for file in body.files}
    assert listed == {"SKILL.md": "ok/", shown: "invalid/bad_name"}


def test_a24_source_that_is_too_long(workspace: Workspace) -> None:
    fits = "/".join(["d" * 200] * 4 + ["f" * (SOURCE_BYTES_MAX - len("workspace:") - 804)])
    workspace.write(fits, "x")
    workspace.write(fits + "f", "x")
    workspace.settings = ScanSettings((fits, fits + "f"))
    resolution = workspace.resolve()
    outcomes = {
        len(each.source.encode()): f"{each.status}/{each.reason}"
        for each in resolution.snapshot.resources
    }
    sources = [each.source for each in resolution.snapshot.resources]
    assert max(outcomes) == SOURCE_BYTES_MAX
    assert outcome_of(resolution, f"workspace:{fits}") == "ok"
    assert [each.reason for each in resolution.snapshot.resources if each.reason] == [
        "source_too_long"
    ]
    assert len(set(sources)) == 2


def test_a25_lower_case_name_is_ignored_and_noted(workspace: Workspace) -> None:
    workspace.write("agents.md", "Be kind.")
    resolution = workspace.resolve()
    assert resolution.snapshot.resources == ()
    assert resolution.observations.not_recognised == ("workspace:agents.md",)


def test_a26_directories_that_are_equal_after_normalisation(workspace: Workspace) -> None:
    wide = "ｔｉｄｙ"  # noqa: RUF001 (look-alike letters are the case)
    workspace.skill("skills/tidy")
    workspace.skill(f"skills/{wide}")
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    workspace.skill(f"skills/{composed}")
    workspace.skill(f"skills/{decomposed}")
    resolution = workspace.resolve()
    assert outcome_of(resolution, "workspace:skills/tidy") == "ok"
    assert outcome_of(resolution, f"workspace:skills/{wide}") == "invalid/duplicate_name"
    assert outcome_of(resolution, f"workspace:skills/{decomposed}") == "invalid/bad_name"
    assert outcome_of(resolution, f"workspace:skills/{composed}") == "invalid/duplicate_name"


def test_a27_past_the_count_the_last_are_excluded(workspace: Workspace) -> None:
    workspace.write("AGENTS.md", "Be kind.")
    for number in range(SNAPSHOT_RESOURCES_MAX):
        workspace.skill(f"skills/skill-{number:03}")
    resolution = workspace.resolve()
    excluded = [each for each in resolution.snapshot.resources if each.status is not Status.OK]
    last = f"workspace:skills/skill-{SNAPSHOT_RESOURCES_MAX - 1}"
    assert [(each.source, each.reason) for each in excluded] == [(last, "count_cap")]


def test_a28_past_the_total_of_texts_what_fits_is_kept(workspace: Workspace) -> None:
    header = "---\nname: skill-{:02}\ndescription: x\n---\n"
    for number in range(32):
        text = header.format(number).ljust(INSTRUCTION_BYTES_MAX, "x")
        workspace.skill(f"skills/skill-{number:02}", text=text)
    workspace.write("AGENTS.md", "a" * 100)
    resolution = workspace.resolve()
    excluded = [each for each in resolution.snapshot.resources if each.status is not Status.OK]
    assert [(each.source, each.reason) for each in excluded] == [
        ("workspace:skills/skill-31", "aggregate_cap")
    ]


def test_a29_too_many_entries_are_not_listed_and_nothing_else_is_lost(
    workspace: Workspace,
) -> None:
    workspace.settings = ScanSettings(directory_entries_max=20)
    workspace.write("AGENTS.md", "Be kind.")
    for number in range(21):
        workspace.write(f"file-{number}", "")
        workspace.skill(f"skills/skill-{number}")
    workspace.skill(".agents/skills/tidy")
    resolution = workspace.resolve()
    assert resolution.observations.errors == ("scan_budget:workspace",)
    assert outcome_of(resolution, AGENTS) == "ok"
    assert outcome_of(resolution, "workspace:.agents/skills/tidy") == "ok"
    assert outcome_of(resolution, "workspace:skills") == "excluded/scan_budget"


def test_a34_large_and_binary_supporting_files(workspace: Workspace) -> None:
    folder = workspace.skill("skills/tidy")
    (folder / "fits.bin").write_bytes(b"\0" * SKILL_FILE_BYTES_MAX)
    (folder / "large.bin").write_bytes(b"\0" * (SKILL_FILE_BYTES_MAX + 1))
    (folder / "huge.bin").touch()
    os.truncate(folder / "huge.bin", 300 * 1024**2)
    resolution = workspace.resolve()
    source = "workspace:skills/tidy"
    body = resource_of(resolution, source).body
    assert isinstance(body, SkillBody)
    listed = [(file.path, file.status, file.digest is not None) for file in body.files]
    assert listed == [
        ("SKILL.md", Status.OK, True),
        ("fits.bin", Status.OK, True),
        ("huge.bin", Status.OVERSIZE, False),
        ("large.bin", Status.OVERSIZE, True),
    ]
    assert warnings_of(resolution, source) == ["not_text"]


def test_a35_file_on_another_mount(opener: Opener) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        name = f"shm/{Path(directory).name}/AGENTS.md"
        Path("/dev", name).write_text("Be kind.")
        devices = Workspace(Path("/dev"), opener, settings=ScanSettings((name,)))
        assert devices.outcome(f"workspace:{name}") == "ok"
        devices.settings = ScanSettings((name,), is_strict=True)
        assert devices.outcome(f"workspace:{name}") == "invalid/cross_mount"


def test_a36_removed_root_is_missing_and_recovers(workspace: Workspace) -> None:
    workspace.write("AGENTS.md", "Be kind.")
    resolver = workspace.resolver()
    before = resolver.resolve()
    rmtree(workspace.path)
    missing = resolver.resolve()
    assert missing.observations.errors == ("root_missing:workspace",)
    assert workspace.path.parent in missing.watch
    workspace.path.mkdir()
    workspace.write("AGENTS.md", "Be kind.")
    after = resolver.resolve()
    assert after.observations.errors == ()
    assert after.snapshot.digest == before.snapshot.digest


def test_a36_removed_and_recreated_container(workspace: Workspace) -> None:
    folder = workspace.skill(".agents/skills/tidy")
    resolver = workspace.resolver()
    before = resolver.resolve()
    rmtree(folder.parent)
    missing = resolver.resolve()
    assert missing.snapshot.resources == ()
    assert workspace.path / ".agents" in missing.watch
    workspace.skill(".agents/skills/tidy")
    assert resolver.resolve().snapshot.digest == before.snapshot.digest


def test_a37_archive_in_a_container_is_ignored(workspace: Workspace) -> None:
    workspace.write("skills/tidy.zip", b"PK\x03\x04")
    assert workspace.resolve().snapshot.resources == ()


def test_past_the_files_and_bytes_of_a_skill_files_are_listed_with_their_digest(
    workspace: Workspace,
) -> None:
    many = workspace.skill("skills/many")
    for number in range(SKILL_FILES_MAX):
        (many / f"file-{number:02}").write_text(str(number))
    big = workspace.skill("skills/big")
    for number in range(SKILL_BYTES_MAX // SKILL_FILE_BYTES_MAX):
        (big / f"file-{number}").write_bytes(b"x" * SKILL_FILE_BYTES_MAX)
    (big / "small").write_text("x")
    resolution = workspace.resolve()
    excluded = []
    for source in ("workspace:skills/big", "workspace:skills/many"):
        body = resource_of(resolution, source).body
        assert isinstance(body, SkillBody)
        excluded += [
            (file.path, file.reason, file.digest is not None)
            for file in body.files
            if file.status is not Status.OK
        ]
    assert excluded == [("file-3", "skill_bytes_cap", True), ("file-63", "skill_files_cap", True)]


def test_ignored_names_and_folder_links_do_not_run_away(workspace: Workspace) -> None:
    folder = workspace.skill("skills/tidy")
    (folder / "scripts").mkdir()
    (folder / "scripts/run.sh").write_text("#!/bin/sh\n")
    (folder / "scripts/run.sh").chmod(0o755)
    before = workspace.resolve().snapshot.digest
    for ignored in ("scripts/__pycache__/run.pyc", ".git/HEAD", "node_modules/x.js", "run.sh~"):
        workspace.write(f"skills/tidy/{ignored}", "x")
    assert workspace.resolve().snapshot.digest == before
    workspace.link("skills/tidy/scripts/again", "..")
    body = resource_of(workspace.resolve(), "workspace:skills/tidy").body
    assert isinstance(body, SkillBody)
    assert [(file.path, file.executable, file.reason) for file in body.files] == [
        ("SKILL.md", False, ""),
        ("scripts/again", False, "link_loop"),
        ("scripts/run.sh", True, ""),
    ]


def test_folder_with_too_many_files_is_oversize(workspace: Workspace) -> None:
    folder = workspace.skill("skills/tidy")
    for number in range(512):
        (folder / f"file-{number}").write_text("")
    assert workspace.outcome("workspace:skills/tidy") == "oversize/too_many_files"


def test_files_of_other_tools_are_listed_as_not_supported(workspace: Workspace) -> None:
    listed = (
        ".clinerules",
        ".cursor/rules/a.mdc",
        ".github/instructions/b.md",
        ".goosehints",
        "CLAUDE.local.md",
    )
    for path in listed:
        workspace.write(path, "x")
    resolution = workspace.resolve()
    outcomes = {each.source: each.reason for each in resolution.snapshot.resources}
    assert outcomes == {f"workspace:{path}": "not_supported" for path in listed}


def test_mcp_config_is_read_in_the_workspace_and_the_users_own_config_only(
    workspace: Workspace, tmp_path: Path
) -> None:
    config = '{"mcpServers": {"one": {"command": "run"}}}'
    workspace.home = tmp_path / "home"
    for path in (".mcp.json", ".cursor/mcp.json", ".vscode/mcp.json"):
        workspace.write(path, config)
    declared = tmp_path / "declared"
    for directory in (declared, workspace.home / ".config/driftpin", workspace.home / ".claude"):
        directory.mkdir(parents=True)
        (directory / ".mcp.json").write_text(config)
    workspace.sources = [DeclaredSource("team", declared)]
    resolution = workspace.resolve()
    assert [(each.source, each.status) for each in resolution.snapshot.resources] == [
        ("user:.config/driftpin/.mcp.json", Status.OK),
        ("workspace:.cursor/mcp.json", Status.OK),
        ("workspace:.mcp.json", Status.OK),
        ("workspace:.vscode/mcp.json", Status.OK),
        ("mcp:one", Status.OK),
        ("mcp:one@workspace:.cursor/mcp.json", Status.EXCLUDED),
        ("mcp:one@workspace:.mcp.json", Status.EXCLUDED),
    ]
    assert [server.config_source for server in resolution.servers] == [
        "user:.config/driftpin/.mcp.json"
    ]
    assert list(resolution.blobs.values()) == [resolution.servers[0].launch.blob]
