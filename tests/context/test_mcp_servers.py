"""D4 to D11: one entry of a config after the other; a bad one does not spoil its neighbours."""

import pytest

from driftpin import limits
from driftpin.context.launch import Launch, Transport
from driftpin.context.mcp_servers import ListedServer, list_servers

GOOD = {"command": "run"}


def only(entry: object, name: str = "one") -> ListedServer:
    return list_servers({name: entry})[0]


@pytest.mark.parametrize(
    ("entry", "launch"),
    [
        (GOOD, Launch(Transport.STDIO, command="run")),
        (
            {"type": "stdio", "command": "a", "args": ["b"], "env": {"Z": "1", "A": "${A}"}},
            Launch(Transport.STDIO, command="a", args=("b",), env=(("A", "${A}"), ("Z", "1"))),
        ),
        (
            {"url": "https://host/mcp", "headers": {"X-Key": "${KEY}"}},
            Launch(Transport.HTTP, url="https://host/mcp", headers=(("X-Key", "${KEY}"),)),
        ),
        (
            {"type": "sse", "url": "http://host:8080/sse"},
            Launch(Transport.SSE, url="http://host:8080/sse"),
        ),
        (
            {"type": "streamable-http", "url": "https://${HOST}/mcp"},
            Launch(Transport.HTTP, url="https://${HOST}/mcp"),
        ),
        ({"command": "run", "unknown": 1}, Launch(Transport.STDIO, command="run")),
    ],
)
def test_entries_become_launches(entry: object, launch: Launch) -> None:
    assert only(entry) == ListedServer("one", launch)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        pytest.param(5, "server_not_object", id="d4"),
        pytest.param([], "server_not_object", id="d4-list"),
        pytest.param({"command": "a", "url": "https://h"}, "ambiguous_transport", id="d8"),
        pytest.param({"command": "a", "type": "sse"}, "ambiguous_transport", id="d8-type"),
        pytest.param({"url": "https://h", "type": "stdio"}, "ambiguous_transport", id="d8-stdio"),
        pytest.param({}, "no_transport", id="d9"),
        pytest.param({"command": " "}, "no_transport", id="d9-blank"),
        pytest.param({"url": "file:///etc/passwd"}, "url_scheme", id="d10"),
        pytest.param({"url": "javascript:alert(1)"}, "url_scheme", id="d10-javascript"),
        pytest.param({"url": "gopher://h"}, "url_scheme", id="d10-gopher"),
        pytest.param({"url": "https://u:p@h/"}, "url_credentials", id="d11-url"),
        pytest.param({"url": "https://h/?token=x"}, "literal_secret", id="d11-query"),
        pytest.param({"command": "a", "args": ["--token=x"]}, "literal_secret", id="d11-args"),
        pytest.param({"url": "https:///x"}, "bad_url", id="no-host"),
        pytest.param({"url": "https://h:x/"}, "bad_url", id="bad-port"),
        pytest.param({"url": "https://[::1"}, "bad_url", id="bad-address"),
        pytest.param({"url": "https://h", "type": "carrier"}, "unknown_transport", id="type"),
        pytest.param({"command": 1}, "wrong_type", id="command-number"),
        pytest.param({"command": "a", "args": "b"}, "wrong_type", id="args-text"),
        pytest.param({"command": "a", "args": [1]}, "wrong_type", id="args-number"),
        pytest.param({"command": "a", "env": []}, "wrong_type", id="env-list"),
        pytest.param({"command": "a", "env": {"A=B": "x"}}, "bad_variable_name", id="env-name"),
        pytest.param({"url": "https://h", "headers": {"A B": "x"}}, "bad_header_name", id="header"),
        pytest.param({"command": "a\nb"}, "control_char", id="control"),
        pytest.param({"command": "a", "args": ["\ud800"]}, "control_char", id="surrogate"),
        pytest.param(
            {"command": "a" * (limits.MCP_VALUE_BYTES_MAX + 1)}, "too_long", id="too-long"
        ),
        pytest.param(
            {"command": "a", "args": ["x"] * (limits.MCP_VALUES_MAX + 1)},
            "too_many_values",
            id="too-many",
        ),
    ],
)
def test_bad_entries_have_a_fixed_reason_and_no_launch(entry: object, reason: str) -> None:
    assert only(entry) == ListedServer("one", None, reason)


@pytest.mark.parametrize(
    ("name", "is_good"),
    [
        ("github", True),
        ("my.server-2_x", True),
        ("a" * limits.MCP_SERVER_NAME_CHARACTERS_MAX, True),
        ("a" * (limits.MCP_SERVER_NAME_CHARACTERS_MAX + 1), False),
        ("a__b", False),
        ("two words", False),
        ("", False),
        ("-a", False),
        ("ä", False),
        ("a\n", False),
    ],
)
def test_d7_names_of_servers(name: str, *, is_good: bool) -> None:
    assert only(GOOD, name).reason == ("" if is_good else "bad_server_name")


def test_d4_a_bad_entry_leaves_its_neighbours_alone() -> None:
    listed = list_servers({"b": 5, "a": GOOD, "c": GOOD})
    assert [(server.name, server.reason) for server in listed] == [
        ("a", ""),
        ("b", "server_not_object"),
        ("c", ""),
    ]
