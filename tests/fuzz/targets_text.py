"""Fuzz targets of what a workspace holds: headers, configs, text for prompts, differences."""

import dataclasses
import json

from driftpin.chat import markers
from driftpin.chat.cleaning import clean_line, clean_text, remove_comments, remove_hidden
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.prompt import render_prompt
from driftpin.context.front_matter import SkillHeader, read_skill_header
from driftpin.context.hidden_text import HIDDEN_PATTERN, NON_JOINER, hidden_runs
from driftpin.context.launch import LITERAL, is_reference
from driftpin.context.manifest import snapshot_of
from driftpin.context.mcp_config import ConfigRefusal, read_mcp_config
from driftpin.context.resource import (
    InstructionBody,
    Kind,
    Resource,
    SkillBody,
    SkillFile,
    Status,
)
from driftpin.context.unified import CUT_LINE, NO_FINAL_NEWLINE, Budget, unified_text
from driftpin.identity import digest_of
from driftpin.limits import SKILL_DESCRIPTION_CHARACTERS_MAX, SKILL_NAME_CHARACTERS_MAX
from fuzz.target import Target

TEXT_WORDS = (
    *(b"<!--", b"-->", b"--", b"<!", b"<", b">", b"-", b"\n", b"   ", b"\t"),
    *(b"<driftpin-context>", b"</driftpin-file>", b"<driftpin-", b"</driftpin-now>", b"driftpin-"),
    *(b"<|im_start|>", b"<|", b"|>", b"[INST]", b"[/INST]", b"</s>", b"<<SYS>>", b"Human:"),
    *(b"\nAssistant:", b"<tool_call>", b"[gMASK]", b"\x1b]0;", b"\x1b[", b"\x07"),
)
YAML_WORDS = (
    *(b"---\n", b"---", b"...", b"name: ", b"description: ", b"&a ", b"*a", b"<<: ", b"!!python/"),
    *(b"[" * 40, b"{", b"|\n ", b">-\n ", b"'", b'"', b"? ", b"- ", b"#", b": ", b"2001-13-45"),
    *(b"yes", b"012", b"~", b"%YAML 1.1\n", b"\tname: x", b"a: " * 30, b"allowed-tools: "),
)
SMALL = Budget(lines=40, bytes_left=4_000, work=100_000)
SERVERS_KEY = "mcpServers"


def check_header(content: bytes) -> None:
    """A header is usable in every bound, or refused by a code and a place in the file."""
    text = content.decode("utf-8", "replace")
    found = read_skill_header(text, "a-skill")
    if isinstance(found, SkillHeader):
        assert found.name == "a-skill"
        assert len(found.name) <= SKILL_NAME_CHARACTERS_MAX
        assert 1 <= len(found.description) <= SKILL_DESCRIPTION_CHARACTERS_MAX
        found.description.encode("utf-8")
        return
    assert found.reason.replace("_", "").isalnum()
    assert found.line is None or 1 <= found.line <= len(text.splitlines()) + 1


def check_config(content: bytes) -> None:
    """A refusal is a code and a place; nothing of the file is in it. A launch tells no value."""
    found = read_mcp_config(content, SERVERS_KEY)
    if isinstance(found, ConfigRefusal):
        kept = dataclasses.astuple(found)
        assert kept[0].replace("_", "").isalnum()
        assert all(each is None or isinstance(each, int) for each in kept[1:])
        assert found.line is None or 1 <= found.line <= content.count(b"\n") + 1
        return
    for server in found:
        assert (server.launch is None) == bool(server.reason)
        assert server.reason.replace("_", "").isalnum() or not server.reason
        if server.launch is not None:
            assert server.launch.identity == digest_of(server.launch.blob)
            written = json.loads(server.launch.blob)
            for place, pairs in (("env", server.launch.env), ("headers", server.launch.headers)):
                told = {name: v if is_reference(v) else LITERAL for name, v in pairs}
                assert written[place] == told


def check_cleaning(content: bytes) -> None:
    """Nothing hidden is left, and cleaning what is clean changes nothing."""
    text = content.decode("utf-8", "replace")
    for clean in (clean_text, clean_line, remove_hidden, remove_comments):
        once = clean(text)
        assert clean(once) == once, clean.__name__
        assert len(once) <= len(text) + 2 * text.count(":"), clean.__name__
    cleaned = clean_text(text)
    left = [run for run in HIDDEN_PATTERN.findall(cleaned) if set(run) != {NON_JOINER}]
    assert left == []
    assert markers.marks_in(cleaned) == 0
    closing = cleaned.rfind("<!--")
    assert closing == -1 or "-->" not in cleaned[closing + 4 :], "a comment is left"


def check_prompt(content: bytes) -> None:
    """Whatever the files say, the marks in a prompt are ours, counted; and twice is the same."""
    parts = content.split(b"|", 3)
    texts = [part.decode("utf-8", "replace") for part in (*parts, b"", b"", b"")][:3]
    source = "".join(letter for letter in texts[1] if letter.isprintable())[:100] or "AGENTS.md"
    context = _pinned(source, parts[0], texts[2])
    budget = 40 if len(content) % 3 == 0 else 100_000
    rendered = render_prompt(context, budget_tokens=budget, role=texts[2])
    assert rendered == render_prompt(context, budget_tokens=budget, role=texts[2])
    files = sum(section.name == "instruction_file" for section in rendered.sections)
    roles = sum(section.name == "role" for section in rendered.sections)
    assert markers.marks_in(rendered.text) == 4 + 2 * files + 2 * roles
    assert rendered.text.count(markers.context_close(context.prompt_digest)) == 1
    shown = {section.source for section in rendered.sections} | {
        item.source for item in rendered.left_out
    }
    assert {resource.source for resource in context.resources} <= shown


def check_difference(content: bytes) -> None:
    """A difference keeps to its budget, hides nothing, and is empty exactly for equal texts."""
    before, _, after = content.decode("utf-8", "replace").partition("|")
    spent = dataclasses.replace(SMALL)
    found = unified_text(before, after, spent)
    assert (found.text == "") == (before == after)
    assert found.text.count("\n") <= SMALL.lines + 1 + NO_FINAL_NEWLINE.count("\n")
    assert len(found.text.encode()) <= SMALL.bytes_left + len(CUT_LINE.encode())
    assert not list(hidden_runs(found.text)), "something hidden is not drawn"
    assert found.added_lines <= len(after.split("\n"))
    assert found.removed_lines <= len(before.split("\n"))
    if not found.truncated:
        _check_counts(found.text, found.added_lines, found.removed_lines)


def _check_counts(text: str, added: int, removed: int) -> None:
    lines = text.split("\n")
    assert sum(line.startswith("+") for line in lines) == added
    assert sum(line.startswith("-") for line in lines) == removed


def _pinned(source: str, content: bytes, description: str) -> PinnedContext:
    instruction = Resource(
        Kind.INSTRUCTION_FILE,
        f"workspace:{source}",
        Status.OK,
        body=InstructionBody(digest_of(content)),
    )
    file = SkillFile("SKILL.md", False, digest_of(content), Status.OK, "")
    skill = Resource(
        Kind.SKILL,
        "workspace:.agents/skills/a-skill",
        Status.OK,
        body=SkillBody("a-skill", description[:1000] or "does it", (file,)),
    )
    snapshot = snapshot_of([instruction, skill])
    return PinnedContext(
        snapshot.digest,
        snapshot.digest,
        1,
        (instruction, skill),
        {digest_of(content): content},
    )


TARGETS = (
    Target("front_matter", check_header, YAML_WORDS),
    Target("mcp_config", check_config, (b'"mcpServers":', b'{"command":"x"}', b"{", b"[" * 70)),
    Target("sanitise", check_cleaning, TEXT_WORDS),
    Target("prompt_build", check_prompt, (*TEXT_WORDS, b"|", b'"', b"source=")),
    Target("diff_render", check_difference, (*TEXT_WORDS, b"|", b"+", b"@@ -1 +1 @@\n", b"\\ No")),
)

__all__ = ["TARGETS"]
