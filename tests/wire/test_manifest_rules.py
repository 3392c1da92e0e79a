"""Every rule for an entry of a manifest, broken one at a time: its code, and the place it names."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from driftpin import limits
from driftpin.context.resource import Kind, ServerBody, SkillBody
from driftpin.errors import DriftpinError, Malformed, Rejected, TooLarge
from driftpin.identity import digest_of
from driftpin.wire.manifest_rules import read_resource

D = str(digest_of(b"x"))
AT = "/manifest/resources/7"
INSTRUCTION: dict[str, Any] = {
    "kind": "instruction_file",
    "source": "workspace:AGENTS.md",
    "status": "ok",
    "reason": "",
    "digest": D,
}
SKILL: dict[str, Any] = {
    "kind": "skill",
    "source": "workspace:.agents/skills/tidy",
    "status": "ok",
    "reason": "",
    "name": "tidy",
    "description": "Tidies up.",
    "files": [
        {"path": "z.md", "executable": True, "digest": D},
        {"path": "SKILL.md", "executable": False, "digest": D},
        {
            "path": "big.bin",
            "executable": False,
            "digest": None,
            "status": "oversize",
            "reason": "too_large",
        },
    ],
}
SERVER: dict[str, Any] = {
    "kind": "mcp_server",
    "source": "mcp:a server",
    "status": "ok",
    "reason": "",
    "identity": D,
    "catalogue": {
        "instructions": D,
        "tools": [{"name": "write", "digest": D}, {"name": "read", "digest": D}],
    },
}
Change = Callable[[dict[str, Any]], object]


def given(entry: dict[str, Any], change: Change) -> dict[str, Any]:
    changed = copy.deepcopy(entry)
    change(changed)
    return changed


def put(*path: str | int, value: object) -> Change:
    def change(entry: Any) -> None:
        for step in path[:-1]:
            entry = entry[step]
        entry[path[-1]] = value

    return change


def drop(*path: str | int) -> Change:
    def change(entry: Any) -> None:
        for step in path[:-1]:
            entry = entry[step]
        del entry[path[-1]]

    return change


@pytest.mark.parametrize(
    ("entry", "change", "code", "pointer"),
    [
        (INSTRUCTION, put("extra", value=1), "unknown_field", "/extra"),
        (INSTRUCTION, drop("kind"), "invalid_request", "/kind"),
        (INSTRUCTION, drop("source"), "invalid_request", "/source"),
        (INSTRUCTION, drop("status"), "invalid_request", "/status"),
        (INSTRUCTION, drop("reason"), "invalid_request", "/reason"),
        (INSTRUCTION, put("kind", value=1), "invalid_request", "/kind"),
        (INSTRUCTION, put("kind", value="x"), "unknown_kind", "/kind"),
        (INSTRUCTION, put("status", value="x"), "unknown_status", "/status"),
        (INSTRUCTION, put("reason", value="Not A Code"), "inconsistent_resource", ""),
        (INSTRUCTION, put("digest", value="sha256:0"), "bad_hash", "/digest"),
        (INSTRUCTION, put("digest", value=None), "bad_hash", "/digest"),
        (INSTRUCTION, drop("digest"), "inconsistent_resource", ""),
        (INSTRUCTION, put("name", value="x"), "inconsistent_resource", ""),
        *(
            (INSTRUCTION, put("source", value=source), "bad_source", "/source")
            for source in (
                *("", "AGENTS.md", ":x", "workspace:", "workspace:../x", "workspace:a/./b"),
                *("workspace:a//b", "mcp:x", "work space:x", "workspace:a\x1bb", "a/b:x"),
                "workspace:" + "é" * (limits.SOURCE_BYTES_MAX // 2),
            )
        ),
        (SKILL, put("name", value="Tidy"), "bad_name", "/name"),
        (SKILL, put("name", value="a" * 65), "bad_name", "/name"),
        (SKILL, put("description", value=""), "missing_field", "/description"),
        (SKILL, put("description", value="x" * 1_025), "too_long", "/description"),
        (SKILL, put("files", value={}), "invalid_request", "/files"),
        (SKILL, put("files", 0, value=1), "invalid_request", "/files/0"),
        (SKILL, put("files", value=[]), "inconsistent_resource", ""),
        (SKILL, put("files", 1, "path", value="skill.md"), "inconsistent_resource", ""),
        (SKILL, put("files", 0, "path", value="SKILL.md"), "duplicate_path", "/files"),
        (SKILL, put("files", 0, "extra", value=1), "unknown_field", "/files/0/extra"),
        (SKILL, drop("files", 0, "path"), "invalid_request", "/files/0/path"),
        (SKILL, drop("files", 0, "executable"), "invalid_request", "/files/0/executable"),
        (SKILL, drop("files", 0, "digest"), "invalid_request", "/files/0/digest"),
        (SKILL, put("files", 0, "executable", value=1), "invalid_request", "/files/0/executable"),
        (SKILL, put("files", 0, "path", value="../x"), "bad_path", "/files/0/path"),
        (SKILL, put("files", 0, "path", value="a\nb"), "bad_path", "/files/0/path"),
        (SKILL, put("files", 0, "digest", value=None), "inconsistent_resource", "/files/0"),
        (SKILL, put("files", 2, "reason", value=""), "inconsistent_resource", "/files/2"),
        (SKILL, put("files", 2, "reason", value="A B"), "bad_reason", "/files/2/reason"),
        (SERVER, put("source", value="workspace:x"), "bad_source", "/source"),
        (SERVER, put("identity", value="x"), "bad_hash", "/identity"),
        (SERVER, put("catalogue", value=[]), "invalid_request", "/catalogue"),
        (SERVER, put("catalogue", "extra", value=1), "unknown_field", "/catalogue/extra"),
        (SERVER, drop("catalogue", "tools"), "invalid_request", "/catalogue/tools"),
        (SERVER, drop("catalogue", "instructions"), "invalid_request", "/catalogue/instructions"),
        (SERVER, put("catalogue", "instructions", value=1), "bad_hash", "/catalogue/instructions"),
        (SERVER, put("catalogue", "tools", 0, value=1), "invalid_request", "/catalogue/tools/0"),
        (
            SERVER,
            put("catalogue", "tools", 0, "extra", value=1),
            "unknown_field",
            "/catalogue/tools/0/extra",
        ),
        (
            SERVER,
            put("catalogue", "tools", 0, "name", value=""),
            "bad_tool_name",
            "/catalogue/tools/0/name",
        ),
        (
            SERVER,
            put("catalogue", "tools", 0, "name", value="read"),
            "duplicate_tool",
            "/catalogue/tools",
        ),
    ],
)
def test_a_broken_rule_is_told_by_its_code_and_its_place(
    entry: dict[str, Any], change: Change, code: str, pointer: str
) -> None:
    with pytest.raises((Malformed, Rejected)) as refused:
        read_resource(given(entry, change), 7)
    assert (refused.value.code, refused.value.fields["pointer"]) == (code, f"{AT}{pointer}")


@pytest.mark.parametrize(
    ("entry", "path", "items", "maximum"),
    [
        (SKILL, ("files",), [{**SKILL["files"][0], "path": "SKILL.md"}], limits.SKILL_FILES_MAX),
        (
            SERVER,
            ("catalogue", "tools"),
            [{"name": "t", "digest": D}],
            limits.TOOLS_PER_SERVER_MAX,
        ),
    ],
)
def test_one_item_past_a_limit_is_too_large_and_the_limit_itself_is_not(
    entry: dict[str, Any], path: tuple[str, ...], items: list[dict[str, Any]], maximum: int
) -> None:
    key = "path" if "path" in items[0] else "name"
    full = items + [{**items[0], key: f"f{number}"} for number in range(maximum - 1)]
    assert read_resource(given(entry, put(*path, value=full)), 7).body is not None
    with pytest.raises(TooLarge) as refused:
        read_resource(given(entry, put(*path, value=[*full, {**items[0], key: "more"}])), 7)
    assert refused.value.fields["found"] == maximum + 1
    assert refused.value.fields["source"] == entry["source"]


def test_what_is_listed_comes_in_its_own_order() -> None:
    skill = read_resource(SKILL, 0).body
    assert isinstance(skill, SkillBody)
    assert [(each.path, each.executable) for each in skill.files] == [
        *(("SKILL.md", False), ("big.bin", False), ("z.md", True)),
    ]
    assert skill.files[1].digest is None
    server = read_resource(SERVER, 0).body
    assert isinstance(server, ServerBody)
    assert server.catalogue is not None
    assert [tool.name for tool in server.catalogue.tools] == ["read", "write"]
    hole = read_resource(given(SERVER, put("catalogue", value=None)), 0).body
    assert isinstance(hole, ServerBody)
    assert hole.catalogue is None


def test_a_refused_resource_has_a_reason_and_nothing_else() -> None:
    refused = {**INSTRUCTION, "status": "invalid", "reason": "not_utf8"}
    with pytest.raises(DriftpinError):
        read_resource(refused, 0)
    read = read_resource({key: refused[key] for key in refused if key != "digest"}, 0)
    assert (read.kind, read.reason, read.body) == (Kind.INSTRUCTION_FILE, "not_utf8", None)
