"""Section B of the list of bad input, as far as statuses and warnings go; and skills from C."""

import pytest

from agent.workspace import (
    Workspace,
    observation_of,
    outcome_of,
    resource_of,
    warnings_of,
)
from driftpin.agent.roots import DeclaredSource
from driftpin.context.resource import InstructionBody, Status
from driftpin.identity import digest_of

AGENTS = "workspace:AGENTS.md"
TIDY = "workspace:skills/tidy"


@pytest.mark.parametrize(
    ("content", "outcome", "warnings"),
    [
        pytest.param(b"caf\xe9", "invalid/not_utf8", ["not_utf8"], id="b1"),
        pytest.param("hi".encode("utf-16"), "invalid/not_utf8", ["not_utf8"], id="b2"),
        pytest.param(
            "hi".encode("utf-16-le"), "invalid/control_char", ["control_char"], id="b2-le"
        ),
        pytest.param(b"\xef\xbb\xbfBe kind.", "ok", [], id="b3"),
        pytest.param(b"Be\0kind.", "invalid/control_char", ["control_char"], id="b4"),
        pytest.param(b"\x1b[31mred", "ok", ["terminal_escape"], id="b5"),
        pytest.param("a\u202eb".encode(), "ok", ["bidi"], id="b6"),
        pytest.param("a\u200bb".encode(), "ok", ["hidden_char"], id="b7"),
        pytest.param("a\U000e0041\U000e0042".encode(), "ok", ["hidden_text"], id="b8"),
        pytest.param(("a" + "\ufe0f" * 9).encode(), "ok", ["variation_selectors"], id="b9"),
        pytest.param(b"a" * 65_536, "ok", [], id="b17-one-line"),
        pytest.param(b"\n" * 64_000, "ok", [], id="b17-many-lines"),
    ],
)
def test_b_status_and_warnings_of_text(
    workspace: Workspace, content: bytes, outcome: str, warnings: list[str]
) -> None:
    workspace.write("AGENTS.md", content)
    resolution = workspace.resolve()
    assert outcome_of(resolution, AGENTS) == outcome
    assert warnings_of(resolution, AGENTS) == warnings
    expected = [content] if outcome == "ok" else []
    assert [each for _, each in resolution.blobs.items()] == expected


def test_b16_look_alike_letters_in_a_skills_name(workspace: Workspace) -> None:
    name = "t\u0456dy"
    workspace.skill(f"skills/{name}")
    assert workspace.outcome(f"workspace:skills/{name}") == "invalid/bad_name"


def test_b20_line_endings_change_the_digest(workspace: Workspace) -> None:
    workspace.write("AGENTS.md", b"a\nb\n")
    workspace.write("CLAUDE.md", b"a\r\nb\r\n")
    resolution = workspace.resolve()
    bodies = [each.body for each in resolution.snapshot.resources]
    assert bodies == [
        InstructionBody(digest_of(b"a\nb\n")),
        InstructionBody(digest_of(b"a\r\nb\r\n")),
    ]


def test_broken_header_is_a_status_with_its_place_and_no_echo(workspace: Workspace) -> None:
    workspace.skill("skills/tidy", text="---\nname: tidy\n  secret: [x\n---\n")
    resolution = workspace.resolve()
    assert outcome_of(resolution, TIDY) == "invalid/yaml_syntax"
    (finding,) = observation_of(resolution, TIDY).warnings
    assert (finding.code, finding.path, finding.line) == ("yaml_syntax", "SKILL.md", 3)
    assert "secret" not in repr(resolution.observations.resources)


def test_skill_text_that_is_no_text(workspace: Workspace) -> None:
    workspace.write("skills/tidy/SKILL.md", b"---\nname: \xff\n---\n")
    assert workspace.outcome(TIDY) == "invalid/not_utf8"


def test_c16_name_of_an_earlier_root_is_shadowed(workspace: Workspace) -> None:
    team = workspace.path.with_name("team")
    home = workspace.path.with_name("home")
    for place in (team, home / ".claude", home / ".codex"):
        Workspace(place, workspace.opener).skill("skills/tidy")
    workspace.sources = [DeclaredSource("team", team)]
    workspace.home = home
    workspace.skill("skills/tidy")
    workspace.skill(".claude/skills/own")
    workspace.skill(".codex/skills/own")
    resolution = workspace.resolve()
    outcomes = {
        each.source: outcome_of(resolution, each.source) for each in resolution.snapshot.resources
    }
    assert outcomes == {
        "team:skills/tidy": "ok",
        "user:.claude/skills/tidy": "excluded/shadowed",
        "user:.codex/skills/tidy": "excluded/shadowed",
        "workspace:skills/tidy": "excluded/shadowed",
        "workspace:.claude/skills/own": "ok",
        "workspace:.codex/skills/own": "ok",
    }


def test_c16_skill_that_is_not_usable_shadows_nothing(workspace: Workspace) -> None:
    team = workspace.path.with_name("team")
    Workspace(team, workspace.opener).skill("skills/tidy", text="no header")
    workspace.sources = [DeclaredSource("team", team)]
    workspace.skill("skills/tidy")
    assert workspace.outcome(TIDY) == "ok"


@pytest.mark.parametrize("name", ["read-skill", "search-files", "driftpin"])
def test_c17_name_of_a_built_in(workspace: Workspace, name: str) -> None:
    workspace.skill(f"skills/{name}")
    assert workspace.outcome(f"workspace:skills/{name}") == "excluded/reserved_name"


def test_lenient_header_is_usable_and_marked(workspace: Workspace) -> None:
    text = "---\nname: tidy\ndescription: Use when: always\n---\n"
    workspace.skill("skills/tidy", text=text)
    resolution = workspace.resolve()
    assert resource_of(resolution, TIDY).status is Status.OK
    assert warnings_of(resolution, TIDY) == ["yaml_lenient"]


def test_root_named_skills_is_a_container_itself(workspace: Workspace) -> None:
    team = workspace.path.with_name("skills")
    Workspace(team, workspace.opener).skill("tidy")
    workspace.sources = [DeclaredSource("team", team)]
    assert workspace.outcome("team:tidy") == "ok"
