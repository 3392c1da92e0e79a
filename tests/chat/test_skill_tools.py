import base64
from collections.abc import Callable

import pytest

from driftpin import limits
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.skill_tools import (
    READ_SKILL,
    READ_SKILL_FILE,
    TOOLS,
    blobs_for_call,
    call_skill_tool,
    find_skill_file,
    read_skill,
    read_skill_file,
)
from driftpin.chat.tools import digest_of_tools, sorted_tools
from driftpin.context.resource import Kind, Resource, SkillBody, SkillFile, Status
from driftpin.errors import Conflict, DriftpinError, Forbidden, Malformed, NotFound
from driftpin.identity import digest_of

MakePin = Callable[..., PinnedContext]
HEADER = b"---\nname: tidy\ndescription: d\n---\n"
TIDY = {
    "SKILL.md": HEADER + b"# Tidy\nRun scripts/run.sh.<!-- hidden -->\n",
    "scripts/run.sh": b"#!/bin/sh\necho ok\n",
    "logo.png": b"\x89PNG\xff\x00",
}


@pytest.fixture
def pin(make_pin: MakePin) -> PinnedContext:
    evil = {"SKILL.md": HEADER, "run.sh": b"evil"}
    return make_pin(skills={"workspace:skills/tidy": TIDY, "workspace:skills/tidy-evil": evil})


def test_a_skill_is_read_without_its_header_with_directory_and_files(pin: PinnedContext) -> None:
    result = read_skill(pin, "tidy")
    assert result.content == (
        "Skill: tidy\nDirectory: workspace:skills/tidy\nFiles:\n- SKILL.md\n- logo.png\n"
        "- scripts/run.sh (executable)\n\n# Tidy\nRun scripts/run.sh."
    )
    assert not result.is_error


def test_a_text_file_is_read_byte_for_byte_as_it_was_pinned(pin: PinnedContext) -> None:
    assert read_skill_file(pin, "tidy", "scripts/run.sh").content == "#!/bin/sh\necho ok\n"
    assert read_skill_file(pin, "tidy", "SKILL.md").content == TIDY["SKILL.md"].decode()


def test_a_binary_file_comes_in_base64_with_its_media_type(pin: PinnedContext) -> None:
    note, encoded = read_skill_file(pin, "tidy", "logo.png").content.split("\n")
    assert note == "[binary: image/png, 6 bytes, in base64]"
    assert base64.b64decode(encoded) == TIDY["logo.png"]


ESCAPES = [
    pytest.param("../../etc/passwd", id="a30-parent"),
    pytest.param("scripts/../../x", id="a30-parent-inside"),
    pytest.param("..", id="a30-parent-alone"),
    pytest.param("/etc/passwd", id="a31-absolute"),
    pytest.param("C:/windows", id="a31-drive"),
    pytest.param("../tidy-evil/run.sh", id="a33-sibling-prefix"),
    pytest.param(".git/config", id="hidden-directory"),
    pytest.param("scripts/.env", id="hidden-file"),
    pytest.param("./SKILL.md", id="dot"),
]
BAD = [
    pytest.param("%2e%2e%2fetc", id="a32-encoded"),
    pytest.param("%252e%252e", id="a32-encoded-twice"),
    pytest.param("..\\..\\etc", id="a32-backslash"),
    pytest.param("SKILL.md\x00.png", id="a32-nul"),
    pytest.param("SKILL.md ", id="a32-trailing-space"),
    pytest.param(" SKILL.md", id="a32-leading-space"),
    pytest.param("scripts /run.sh", id="a32-space-in-the-middle"),
    pytest.param("a\nb", id="a32-newline"),
    pytest.param("\ud800", id="a32-lone-surrogate"),
    pytest.param("", id="a32-empty"),
    pytest.param("scripts//run.sh", id="a32-empty-name"),
    pytest.param("scripts/", id="a32-trailing-slash"),
]


@pytest.mark.parametrize("path", ESCAPES)
def test_a30_a31_a33_a_path_out_of_the_skill_is_forbidden(pin: PinnedContext, path: str) -> None:
    with pytest.raises(Forbidden) as refused:
        find_skill_file(pin, "tidy", path)
    assert refused.value.code == "path_escape"
    result = read_skill_file(pin, "tidy", path)
    assert (result.is_error, result.code) == (True, "path_escape")
    assert "evil" not in result.content.replace("tidy-evil", "")


@pytest.mark.parametrize("path", BAD)
def test_a32_a_path_that_no_listing_contains_is_malformed(pin: PinnedContext, path: str) -> None:
    with pytest.raises(Malformed) as refused:
        find_skill_file(pin, "tidy", path)
    assert refused.value.code == "bad_path"
    result = read_skill_file(pin, "tidy", path)
    assert (result.is_error, result.code) == (True, "bad_path")
    result.content.encode()


def test_a_bad_path_is_refused_before_the_skill_is_looked_up() -> None:
    assert read_skill_file(None, "nobody", "/etc/passwd").code == "path_escape"


def test_c20_c21_a_file_is_served_from_the_pin_and_nothing_else(pin: PinnedContext) -> None:
    needed = blobs_for_call(pin, READ_SKILL_FILE, {"name": "tidy", "path": "scripts/run.sh"})
    assert needed == (digest_of(TIDY["scripts/run.sh"]),)
    bare = PinnedContext(pin.snapshot, pin.prompt_digest, 1, pin.resources, {})
    with pytest.raises(KeyError):
        read_skill_file(bare, "tidy", "scripts/run.sh")
    loaded = bare.with_bodies({digest: pin.bodies[digest] for digest in needed})
    assert read_skill_file(loaded, "tidy", "scripts/run.sh").content == "#!/bin/sh\necho ok\n"


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        (READ_SKILL, {"name": "nobody"}, "skill_not_found"),
        (READ_SKILL, {}, "bad_arguments"),
        (READ_SKILL, {"name": 7}, "bad_arguments"),
        (READ_SKILL_FILE, {"name": "tidy"}, "bad_arguments"),
        (READ_SKILL_FILE, {"name": "tidy", "path": "scripts"}, "file_not_found"),
        (READ_SKILL_FILE, {"name": "tidy", "path": "scripts/RUN.sh"}, "file_not_found"),
    ],
)
def test_a_failing_call_is_a_result_for_the_model(
    pin: PinnedContext, tool: str, arguments: dict[str, object], code: str
) -> None:
    result = call_skill_tool(pin, tool, arguments)
    assert (result.is_error, result.code) == (True, code)
    assert blobs_for_call(pin, tool, arguments) == ()


def test_a_chat_without_a_pin_has_no_skills() -> None:
    assert call_skill_tool(None, READ_SKILL, {"name": "tidy"}).code == "skill_not_found"


def test_a_name_in_two_places_is_ambiguous_and_its_sources_are_not(make_pin: MakePin) -> None:
    pin = make_pin(skills={"workspace:skills/tidy": TIDY, "user:.claude/skills/tidy": TIDY})
    assert read_skill(pin, "tidy").code == "ambiguous_skill"
    with pytest.raises(Conflict):
        find_skill_file(pin, "tidy", "SKILL.md")
    assert (
        "Directory: user:.claude/skills/tidy\n"
        in read_skill(pin, "user:.claude/skills/tidy").content
    )


def test_a_file_that_was_listed_but_not_pinned_says_why(make_pin: MakePin) -> None:
    bodies = {digest_of(HEADER): HEADER}
    files = (
        SkillFile("SKILL.md", executable=False, digest=digest_of(HEADER)),
        SkillFile("big.bin", False, digest_of(b"x"), Status.OVERSIZE, "too_large"),
    )
    body = SkillBody("tidy", "d", files)
    pin = make_pin(others=(Resource(Kind.SKILL, "w:tidy", Status.OK, body=body),))
    with_text = pin.with_bodies(bodies)
    assert "- big.bin (not pinned: oversize/too_large)" in read_skill(with_text, "tidy").content
    with pytest.raises(NotFound) as refused:
        find_skill_file(with_text, "tidy", "big.bin")
    assert refused.value.code == "file_not_pinned"


def test_a_result_past_the_limit_is_cut_and_says_so(make_pin: MakePin) -> None:
    limit = limits.TOOL_RESULT_BYTES_MAX
    files = {"SKILL.md": HEADER, "a.txt": b"x" * limit, "b.txt": "\u00e9".encode() * limit}
    pin = make_pin(skills={"w:skills/tidy": {**files, "c.bin": b"\xff" * limit}})
    whole = read_skill_file(pin, "tidy", "a.txt")
    assert (whole.content, whole.code) == ("x" * limit, "")
    cut = read_skill_file(pin, "tidy", "b.txt")
    assert cut.code == "truncated"
    assert cut.content.endswith(f"\n[cut: {limit} of {2 * limit} bytes are shown]")
    binary = read_skill_file(pin, "tidy", "c.bin")
    assert binary.code == "truncated"
    assert f"cut to the first {limit // 4 * 3}" in binary.content.split("\n")[0]


def test_a_skill_text_that_is_no_utf8_is_an_error_result(make_pin: MakePin) -> None:
    pin = make_pin(skills={"w:skills/tidy": {"SKILL.md": b"\xff"}})
    assert read_skill(pin, "tidy").code == "not_utf8"


def test_the_tools_are_sorted_and_their_schemas_take_what_the_calls_take() -> None:
    assert sorted_tools(reversed(TOOLS)) == TOOLS
    assert [tool.name for tool in TOOLS] == [READ_SKILL, READ_SKILL_FILE]
    assert [tool.parameters["required"] for tool in TOOLS] == [["name"], ["name", "path"]]
    assert digest_of_tools(TOOLS) != digest_of_tools(TOOLS[:1])


def test_every_refusal_is_one_of_driftpins_own(pin: PinnedContext) -> None:
    for path in ["x", "..", "%00", ""]:
        with pytest.raises(DriftpinError):
            find_skill_file(pin, "tidy", path)
