"""Locks as text: the same context gives the same bytes, and a broken one is refused."""

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.world import World
from driftpin import limits
from driftpin.context.lock import Lock, Scope, lock_of
from driftpin.context.resource import Kind, Resource, Status
from driftpin.errors import DriftpinError
from driftpin.wire.lock import read_lock, write_lock

WORLD = World()
RESOURCES = (
    WORLD.instruction("rules"),
    WORLD.skill({"run.sh": "echo"}, source="workspace:.agents/skills/tidy", executable=["run.sh"]),
    WORLD.server({"read": "Reads."}),
    WORLD.server(None, source="mcp:slow"),
    Resource(Kind.MCP_CONFIG, "workspace:.mcp.json", Status.OK),
    WORLD.broken("workspace:CLAUDE.md", "not_utf8"),
)
LOCK = lock_of(RESOURCES, Scope.WORKSPACE)
TEXT = write_lock(LOCK)
Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> bytes:
    document = copy.deepcopy(json.loads(TEXT))
    change(document)
    return json.dumps(document).encode()


def test_a_lock_is_read_as_it_was_written() -> None:
    assert read_lock(TEXT) == LOCK


def test_the_order_in_which_things_were_found_changes_no_byte() -> None:
    assert write_lock(lock_of(reversed(RESOURCES), Scope.WORKSPACE)) == TEXT


def test_a_lock_has_no_body_no_hidden_character_and_a_line_for_every_digest() -> None:
    hidden = WORLD.skill({}, source="workspace:skills/odd", description="a\u202eb\u200bc")
    text = write_lock(lock_of([*RESOURCES, hidden], Scope.WORKSPACE)).decode("ascii")
    assert "\\u202e" in text
    assert not any(body.decode() in text for body in WORLD.blobs.values() if len(body) > 4)
    assert all(line.count("sha256:") <= 1 for line in text.splitlines())
    assert read_lock(text.encode()).resources[-1].source == "workspace:skills/odd"


def test_a_lock_leaves_out_what_is_not_read_and_what_a_checkout_does_not_bring() -> None:
    personal = WORLD.instruction("mine", "user:.claude/CLAUDE.md")
    ignored = Resource(
        Kind.INSTRUCTION_FILE, "workspace:CLAUDE.local.md", Status.EXCLUDED, "not_supported"
    )
    more = [*RESOURCES, personal, ignored]
    assert lock_of(more, Scope.WORKSPACE) == LOCK
    wider = lock_of(more, Scope.USER)
    assert {each.source for each in wider.resources} - {each.source for each in RESOURCES} == {
        personal.source
    }
    assert read_lock(write_lock(wider)) == wider


def set_in(*path: str, value: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


AGENTS = "workspace:AGENTS.md"
OTHER_CASES: list[tuple[str, Change, str | None]] = [
    ("unsupported_version", set_in("driftpin_lock", value=2), "/driftpin_lock"),
    ("unsupported_version", set_in("driftpin_lock", value=True), "/driftpin_lock"),
    ("invalid_request", lambda document: document.pop("driftpin_lock"), "/driftpin_lock"),
    ("invalid_request", lambda document: document.pop("resources"), "/resources"),
    ("invalid_request", set_in("resources", value=[]), "/resources"),
    ("invalid_request", set_in("resources", AGENTS, value=7), f"/resources/{AGENTS}"),
    ("unknown_field", set_in("secret", value=1), "/secret"),
    ("unknown_field", set_in("resources", AGENTS, "body", value=""), f"/resources/{AGENTS}/body"),
    ("unknown_field", set_in("resources", AGENTS, "source", value="x"), None),
    ("unknown_scope", set_in("scope", value="world"), "/scope"),
    ("unknown_kind", set_in("resources", AGENTS, "kind", value="prompt"), None),
    ("unknown_status", set_in("resources", AGENTS, "status", value="fine"), None),
    ("bad_hash", set_in("resources", AGENTS, "digest", value="sha256:12"), None),
    ("bad_hash", set_in("resources", AGENTS, "digest", value="sha256:" + "G" * 64), None),
    ("inconsistent_resource", set_in("resources", AGENTS, "status", value="invalid"), None),
    ("bad_source", set_in("resources", "workspace:../x", value={"kind": "skill"}), None),
    ("bad_source", set_in("resources", "/etc/passwd", value={"kind": "skill"}), None),
    (
        "bad_source",
        set_in("resources", "user:.claude/CLAUDE.md", value={"kind": "mcp_config", "status": "ok"}),
        "/resources/user:.claude~1CLAUDE.md",
    ),
]


@pytest.mark.parametrize(("code", "change", "pointer"), OTHER_CASES)
def test_what_breaks_a_rule_is_refused_with_its_code_and_place(
    code: str, change: Change, pointer: str | None
) -> None:
    with pytest.raises(DriftpinError) as refused:
        read_lock(changed(change))
    assert refused.value.code == code
    assert pointer is None or refused.value.fields["pointer"] == pointer


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (TEXT.replace(b"tidy", b"t\xffdy"), "bad_json"),
        (b"\xef\xbb\xbf" + TEXT, "bad_json"),
        (TEXT[:-20], "bad_json"),
        (b"[" * 100_000, "too_deep"),
        (b"[]", "invalid_request"),
        (TEXT.replace(b"mcp:slow", b"mcp:github"), "duplicate_key"),
        (TEXT.replace(b'"about"', b'"scope"'), "duplicate_key"),
        (TEXT.replace(b"Tidies.", b"Tid\\u0000ies."), "control_char"),
        (b"<<<<<<< HEAD\n" + TEXT + b"=======\n>>>>>>> other\n", "merge_conflict"),
        (b" " * (limits.LOCK_BYTES_MAX + 1), "too_large"),
    ],
)
def test_what_is_no_lock_at_all_is_refused_with_its_code(content: bytes, code: str) -> None:
    with pytest.raises(DriftpinError) as refused:
        read_lock(content)
    assert refused.value.code == code


def test_more_resources_than_a_snapshot_may_list_are_refused() -> None:
    one = json.loads(TEXT)["resources"][AGENTS]
    many = {f"workspace:{number}.md": one for number in range(2_501)}
    with pytest.raises(DriftpinError) as refused:
        read_lock(changed(set_in("resources", value=many)))
    assert (refused.value.code, refused.value.fields["limit"]) == ("too_large", "resources_listed")


@given(st.data())
def test_a_lock_with_any_byte_changed_is_read_or_refused_and_never_fails_otherwise(
    data: st.DataObject,
) -> None:
    content = bytearray(TEXT)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    read: Lock | None = None
    with suppress(DriftpinError):
        read = read_lock(bytes(content))
    assert read is None or read_lock(write_lock(read)) == read
