"""Identity of MCP servers: what an approval is bound to, and what never leaves the workspace."""

import json
from dataclasses import replace

import pytest

from driftpin.context.launch import Launch, Transport, UndefinedVariable, is_reference
from driftpin.identity import digest_of

SERVER = Launch(
    Transport.STDIO,
    command="node",
    args=("server.js", "--port=${PORT}"),
    cwd="tools",
    env=(("MODE", "fast"), ("TOKEN", "${TOKEN}")),
)
KEY = bytes(32)


def test_the_identity_is_the_digest_of_the_blob_and_names_no_literal_value() -> None:
    assert SERVER.identity == digest_of(SERVER.blob)
    written = json.loads(SERVER.blob)
    assert written["env"] == {"MODE": {"literal": True}, "TOKEN": "${TOKEN}"}
    assert written["args"] == ["server.js", "--port=${PORT}"]
    assert b"fast" not in SERVER.blob


@pytest.mark.parametrize(
    "other",
    [
        replace(SERVER, command="deno"),
        replace(SERVER, args=("server.js",)),
        replace(SERVER, cwd=None),
        replace(SERVER, env=(("MODE", "fast"),)),
        replace(SERVER, env=(("MODE", "fast"), ("TOKEN", "${OTHER}"))),
        replace(SERVER, env=(("MODE", "fast"), ("TOKEN", "literal"))),
        Launch(Transport.HTTP, url="https://example.test/mcp"),
    ],
)
def test_d37_anything_that_changes_what_runs_is_another_identity(other: Launch) -> None:
    assert other.identity != SERVER.identity


def test_another_literal_value_is_the_same_identity_with_another_keyed_digest() -> None:
    other = replace(SERVER, env=(("MODE", "slow"), ("TOKEN", "${TOKEN}")))
    assert other.identity == SERVER.identity
    assert other.keyed_digest(KEY) != SERVER.keyed_digest(KEY)
    assert SERVER.keyed_digest(KEY) != SERVER.keyed_digest(bytes(31) + b"\1")


def test_without_literal_values_there_is_no_keyed_digest() -> None:
    assert replace(SERVER, env=(("TOKEN", "${TOKEN}${SUFFIX}"),)).keyed_digest(KEY) is None


def test_references_are_expanded_once_and_only_where_they_may_stand() -> None:
    launch = replace(SERVER, command="${SHELL}", args=("${A}",))
    expanded = launch.expanded({"A": "${B}", "B": "no", "TOKEN": "t", "SHELL": "sh"})
    assert expanded.args == ("${B}",)
    assert expanded.command == "${SHELL}"
    assert dict(expanded.env) == {"MODE": "fast", "TOKEN": "t"}


def test_d18_an_undefined_variable_is_named_and_nothing_else() -> None:
    with pytest.raises(UndefinedVariable) as refusal:
        SERVER.expanded({"PORT": "1"})
    assert refusal.value.name == "TOKEN"


def test_references_are_listed_from_every_place_that_is_expanded() -> None:
    remote = Launch(
        Transport.HTTP,
        url="https://${HOST}/mcp",
        headers=(("Authorization", "Bearer ${TOKEN}"),),
    )
    assert remote.references == {"HOST", "TOKEN"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [("${A}", True), ("${A}${B_1}", True), ("", False), ("x${A}", False), ("${1}", False)],
)
def test_only_values_of_references_alone_are_references(value: str, *, expected: bool) -> None:
    assert is_reference(value) == expected
