"""`scan`, `explain`, `sources`: no server, no login."""

import os

import pytest

from cli.machine import Machine


def test_scan_tells_every_resource_with_status_size_and_digest(machine: Machine) -> None:
    (machine.workspace / "CLAUDE.md").write_bytes(b"x" * (64 * 1024 + 1))
    ended = machine.run("scan")
    assert ended.code == 0
    rows = {line.split()[1]: line.split() for line in ended.out.splitlines()[1:]}
    assert rows["workspace:AGENTS.md"][2:5] == ["ok", "19", "B"]
    assert len(rows["workspace:AGENTS.md"][5]) == 12
    assert rows["workspace:CLAUDE.md"][2].startswith("oversize")
    assert rows["workspace:.agents/skills/tidy"][2] == "ok"
    assert "snapshot sha256:" in ended.err


def test_scan_as_json_has_resources_as_in_the_manifest(machine: Machine) -> None:
    told = machine.run("scan", str(machine.workspace), "--json", at=machine.root).json
    assert set(told) == {"snapshot", "prompt_digest", "tools_digest", "resources", "observations"}
    kinds = [resource["kind"] for resource in told["resources"]]
    assert kinds == ["instruction_file", "skill"]
    assert told["resources"][1]["files"][0]["path"] == "SKILL.md"


def test_scan_twice_gives_the_same_bytes(machine: Machine) -> None:
    assert machine.run("scan", "--json").out == machine.run("scan", "--json").out


def test_strict_scan_ends_with_findings(machine: Machine) -> None:
    assert machine.run("scan", "--strict").code == 0
    machine.rules.write_text("zero\u200bwidth\n", encoding="utf-8")
    ended = machine.run("scan", "--strict")
    assert ended.code == 1
    assert "hidden_char" in ended.out


def test_b5_hostile_names_and_texts_never_reach_the_terminal(machine: Machine) -> None:
    hostile = machine.workspace / ".agents" / "skills" / os.fsdecode(b"x\x1b[31m\xff")
    hostile.mkdir()
    (hostile / "SKILL.md").write_text("---\nname: x\n---\n", encoding="utf-8")
    machine.rules.write_text("\x1b]0;owned\x07\n", encoding="utf-8")
    for arguments in (["scan"], ["scan", "--json"], ["explain", "AGENTS.md"]):
        ended = machine.run(*arguments)
        assert ended.code == 0
        assert "\x1b" not in ended.out + ended.err
        assert "\udcff" not in ended.out


def test_users_own_files_are_left_out_where_the_setting_says_so(machine: Machine) -> None:
    own = machine.root / "home" / ".claude"
    own.mkdir(parents=True)
    (own / "CLAUDE.md").write_text("mine\n", encoding="utf-8")
    assert "user:.claude/CLAUDE.md" in machine.run("scan").out
    machine.variables["DRIFTPIN_USER_ROOTS"] = "false"
    assert "user:" not in machine.run("scan").out


def test_scan_of_nothing_is_refused(machine: Machine) -> None:
    ended = machine.run("scan", "/nowhere")
    assert (ended.code, ended.out) == (2, "")
    assert "not a directory" in ended.err


@pytest.mark.parametrize(
    ("path", "rule", "is_in"),
    [
        ("AGENTS.md", "resource", True),
        (".agents/skills/tidy/run.sh", "skill_file", True),
        ("main.py", "not_found", False),
        ("/etc/passwd", "outside_roots", False),
    ],
)
def test_explain_names_the_rule(machine: Machine, path: str, rule: str, is_in: bool) -> None:
    told = machine.run("explain", path, "--json").json
    assert (told["rule"], told["is_in_context"]) == (rule, is_in)
    assert told["text"] in machine.run("explain", path).out


def test_sources_are_kept_and_read(machine: Machine) -> None:
    shared = machine.root / "shared"
    shared.mkdir()
    (shared / "AGENTS.md").write_text("shared\n", encoding="utf-8")
    assert machine.run("sources", "add", "team", str(shared)).code == 0
    assert machine.run("sources", "list", "--json").json == [{"name": "team", "path": str(shared)}]
    assert "team:AGENTS.md" in machine.run("scan").out
    assert machine.run("sources", "remove", "team").code == 0
    assert "team:" not in machine.run("scan").out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["add", "Bad Name", "."], "cannot name a source"),
        (["add", "team", "/nowhere"], "not a directory"),
        (["remove", "team"], "no source"),
    ],
)
def test_wrong_sources_are_refused(machine: Machine, arguments: list[str], told: str) -> None:
    ended = machine.run("sources", *arguments)
    assert ended.code == 2
    assert told in ended.err


def test_calls_to_an_agent_that_does_not_run_say_how_to_start_one(machine: Machine) -> None:
    for command in ("resync", "ready"):
        ended = machine.run(command)
        assert ended.code == 3
        assert "driftpin up" in ended.err
