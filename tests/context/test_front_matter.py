"""Section C of the list of bad input: the header of a skill, with both YAML parsers."""

import pytest
import yaml

from driftpin.context.front_matter import (
    FrontMatter,
    HeaderRefusal,
    SkillHeader,
    YamlLoader,
    read_skill_header,
    split_front_matter,
)
from driftpin.context.resource import Finding
from driftpin.limits import FRONT_MATTER_BYTES_MAX, YAML_EVENTS_MAX

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nname: tidy\ndescription: x"
NESTED = "name: tidy\ndescription: x\nmetadata: {one: {two: [1, 2]}}"


@pytest.fixture(params=[yaml.CSafeLoader, yaml.SafeLoader])
def loader(request: pytest.FixtureRequest) -> YamlLoader:
    made: YamlLoader = request.param
    return made


def skill(header: str, body: str = "Body.") -> str:
    return f"---\n{header}\n---\n{body}\n"


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        pytest.param("# Tidy\n", "no_front_matter", 1, id="c1"),
        pytest.param("", "no_front_matter", 1, id="c1-empty"),
        pytest.param("text\n---\nname: tidy\n---\n", "no_front_matter", 1, id="c1-later"),
        pytest.param("---\nname: tidy\n", "front_matter_open", 1, id="c2"),
        pytest.param("---\nname: tidy\n--- x\n ---\n", "front_matter_open", 1, id="c2-near"),
        pytest.param(skill("name: tidy\n  bad: [x"), "yaml_syntax", 3, id="c3"),
        pytest.param(skill("name: 'tidy"), "yaml_syntax", None, id="c3-open-quote"),
        pytest.param(skill("name: tidy\x07"), "yaml_syntax", None, id="c3-control"),
        pytest.param(skill(BOMB), "yaml_alias", 2, id="c4"),
        pytest.param(skill("<<: {name: tidy}"), "yaml_alias", 2, id="c5"),
        pytest.param(skill("metadata:\n  <<: {a: b}"), "yaml_alias", 3, id="c5-nested"),
        pytest.param(skill("name: !!python/name:os.system x"), "yaml_tag", 2, id="c6"),
        pytest.param(skill("name: !!str tidy"), "yaml_tag", 2, id="c6-harmless"),
        pytest.param(skill("[" * 16_000), "yaml_depth", 2, id="c7"),
        pytest.param(skill("name: " + "[" * 16_000), "yaml_depth", 2, id="c7-value"),
        pytest.param(skill("name: tidy\nname: tidy"), "yaml_duplicate", 3, id="c8"),
        pytest.param(skill("metadata: {a: 1, 'a': 2}"), "yaml_duplicate", 2, id="c8-nested"),
        pytest.param(skill("#" * (FRONT_MATTER_BYTES_MAX + 1)), "front_matter_size", 2, id="c10"),
        pytest.param(
            skill("[" + "a," * (YAML_EVENTS_MAX + 1) + "]"), "yaml_events", 2, id="events"
        ),
        pytest.param(skill("description: x"), "missing_field", 1, id="c11-name"),
        pytest.param(skill("name: tidy"), "missing_field", 1, id="c11-description"),
        pytest.param(skill("name: tidy\ndescription: ''"), "missing_field", 3, id="c11-empty"),
        pytest.param(skill(""), "missing_field", 1, id="c11-nothing"),
        pytest.param(skill("name: neat\ndescription: x"), "name_mismatch", 2, id="c12"),
        pytest.param(skill("name: Tidy\ndescription: x"), "bad_name", 2, id="c13-capital"),
        pytest.param(skill("name: ti--dy\ndescription: x"), "bad_name", 2, id="c13-hyphens"),
        pytest.param(skill("name: -tidy\ndescription: x"), "bad_name", 2, id="c13-leading"),
        pytest.param(skill(f"name: {'a' * 65}\ndescription: x"), "bad_name", 2, id="c13-65"),
        pytest.param(skill("name: t\u0456dy\ndescription: x"), "bad_name", 2, id="b16"),
        pytest.param(skill("name: yes\ndescription: x"), "wrong_type", 2, id="c14-yes"),
        pytest.param(skill("name: 012\ndescription: x"), "wrong_type", 2, id="c14-number"),
        pytest.param(skill("name: null\ndescription: x"), "wrong_type", 2, id="c14-null"),
        pytest.param(skill("name: [tidy]\ndescription: x"), "wrong_type", 2, id="c14-list"),
        pytest.param(skill("name: tidy\ndescription:"), "wrong_type", 3, id="c14-description"),
        pytest.param(skill("- name: tidy"), "wrong_type", None, id="not-a-mapping"),
        pytest.param(skill(f"name: tidy\ndescription: {'x' * 1_025}"), "too_long", 3, id="c15"),
    ],
)
def test_c_refused_header(text: str, reason: str, line: int | None, loader: YamlLoader) -> None:
    refused = read_skill_header(text, "tidy", loader=loader)
    assert isinstance(refused, HeaderRefusal)
    assert refused.reason == reason
    assert line is None or refused.line == line


@pytest.mark.parametrize(
    ("text", "description", "warnings"),
    [
        pytest.param(skill("name: tidy\ndescription: x"), "x", [], id="plain"),
        pytest.param(
            skill("name: tidy\ndescription: Use when: always"),
            "Use when: always",
            [("yaml_lenient", 3)],
            id="c3-lenient",
        ),
        pytest.param(
            skill("name: tidy\ndescription: >-\n  Use it\n  daily.\nallowed-tools: [a] [b]"),
            "Use it daily.",
            [("yaml_lenient", 6)],
            id="c3-lenient-block",
        ),
        pytest.param(
            skill("name: 'tidy'\ndescription: x\nlicense: *.py"),
            "x",
            [("yaml_lenient", 4)],
            id="c3-lenient-glob",
        ),
        pytest.param(skill("name: tidy\ndescription: 2024-99-99"), "2024-99-99", [], id="c9"),
        pytest.param(skill("name: tidy\ndescription: no"), "no", [], id="text-stays-text"),
        pytest.param(skill(f"name: tidy\ndescription: {'x' * 1_024}"), "x" * 1_024, [], id="1024"),
        pytest.param(
            skill("name: tidy\ndescription: x\nglobs: a"), "x", [("unknown_key", 4)], id="c18"
        ),
        pytest.param(
            skill("name: tidy\ndescription: x", "---\nname: other\n---"), "x", [], id="c19"
        ),
        pytest.param(skill("name: tidy\ndescription: x\n...\nname: other"), "x", [], id="c19-end"),
        pytest.param(skill("name: tidy\ndescription: a --- b"), "a --- b", [], id="dashes"),
        pytest.param(skill(NESTED), "x", [], id="nested"),
        pytest.param("\ufeff" + skill("name: tidy\ndescription: x"), "x", [], id="mark"),
        pytest.param(skill("name: tidy\ndescription: x").replace("\n", "\r\n"), "x", [], id="crlf"),
    ],
)
def test_c_usable_header(
    text: str, description: str, warnings: list[tuple[str, int]], loader: YamlLoader
) -> None:
    header = read_skill_header(text, "tidy", loader=loader)
    assert isinstance(header, SkillHeader)
    assert (header.name, header.description) == ("tidy", description)
    assert [(finding.code, finding.line) for finding in header.warnings] == warnings


def test_c14_lenient_reading_does_not_coerce_either() -> None:
    text = skill("name: yes\ndescription: Use when: always")
    assert read_skill_header(text, "yes") == HeaderRefusal("yaml_syntax", 3, 22)


def test_c8_key_given_twice_in_a_header_that_only_lenient_reading_saves() -> None:
    text = skill("name: tidy\ndescription: Use when: a\nname: tidy")
    refused = read_skill_header(text, "tidy")
    assert isinstance(refused, HeaderRefusal)
    assert refused.reason == "yaml_duplicate"


def test_c18_preview_of_an_unknown_key_is_escaped() -> None:
    header = read_skill_header(skill('name: a\ndescription: x\n"\\e[31m": y'), "a")
    assert isinstance(header, SkillHeader)
    assert header.warnings == (Finding("unknown_key", "SKILL.md", 4, 11, "\\x1b[31m"),)


@pytest.mark.parametrize(
    ("text", "header", "body"),
    [
        ("---\na: b\n---\nBody\n", "a: b\n", "Body\n"),
        ("---\r\na: b\r\n---\r\nBody", "a: b\r\n", "Body"),
        ("\ufeff---\n---", "", ""),
        ("---\na\n---   \n---\nmore", "a\n", "---\nmore"),
    ],
)
def test_text_is_cut_at_its_delimiters(text: str, header: str, body: str) -> None:
    assert split_front_matter(text) == FrontMatter(header, body)
