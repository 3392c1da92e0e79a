import pytest

from agent.workspace import Workspace
from driftpin.agent.explain import TEXTS, Rule, explain
from driftpin.agent.roots import DeclaredSource, list_roots


@pytest.mark.parametrize(
    ("path", "rule", "is_in_context", "detail"),
    [
        ("AGENTS.md", Rule.RESOURCE, True, ""),
        ("CLAUDE.md", Rule.ALIAS, True, ""),
        ("GEMINI.md", Rule.RESOURCE, False, "not_utf8"),
        (".clinerules", Rule.RESOURCE, False, "not_supported"),
        (".mcp.json", Rule.RESOURCE, False, ""),
        ("skills/tidy", Rule.RESOURCE, True, ""),
        ("skills/tidy/scripts/run.sh", Rule.SKILL_FILE, True, ""),
        ("skills/tidy/scripts", Rule.SKILL_FILE, True, ""),
        ("skills/tidy/__pycache__/run.pyc", Rule.IGNORED, False, "cache"),
        ("skills/broken/notes.txt", Rule.SKILL_NOT_USABLE, False, "no_front_matter"),
        ("skills/empty/notes.txt", Rule.NO_SKILL_TEXT, False, ""),
        ("docs/SKILL.md", Rule.SKILLS_ELSEWHERE, False, ""),
        ("docs/AGENTS.md", Rule.TOP_LEVEL_ONLY, False, ""),
        ("agents.md", Rule.NAME_CASE, False, ""),
        ("gone.md", Rule.NOT_FOUND, False, ""),
        ("main.py", Rule.NOT_A_CONTEXT_NAME, False, ""),
        ("../outside.md", Rule.OUTSIDE_ROOTS, False, ""),
        ("../team/.mcp.json", Rule.MCP_ELSEWHERE, False, ""),
    ],
)
def test_rule_that_decides_about_a_path(
    workspace: Workspace, path: str, rule: Rule, *, is_in_context: bool, detail: str
) -> None:
    for plain in (
        "AGENTS.md",
        ".clinerules",
        "skills/empty/notes.txt",
        "docs/SKILL.md",
        "docs/AGENTS.md",
        "agents.md",
        "main.py",
        "../outside.md",
    ):
        workspace.write(plain, "x")
    workspace.link("CLAUDE.md", "AGENTS.md")
    workspace.write("GEMINI.md", b"\xff")
    for config in (".mcp.json", "../team/.mcp.json"):
        workspace.write(config, "{}")
    workspace.skill("skills/tidy")
    workspace.skill("skills/broken", text="no header")
    for file in ("tidy/scripts/run.sh", "tidy/__pycache__/run.pyc", "broken/notes.txt"):
        workspace.write(f"skills/{file}", "x")
    team = DeclaredSource("team", workspace.path.with_name("team"))
    workspace.sources = [team]
    roots = list_roots(workspace.path, sources=[team])
    explained = explain(workspace.path / path, roots, workspace.resolve())
    assert (explained.rule, explained.is_in_context) == (rule, is_in_context)
    assert (explained.reason or explained.detail) == detail
    assert explained.text == TEXTS[rule]


def test_every_rule_has_its_sentence() -> None:
    assert set(TEXTS) == set(Rule)
