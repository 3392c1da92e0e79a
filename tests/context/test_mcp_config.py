"""Rows D1 to D5 of the list of bad input: what can be said of an MCP config as a whole."""

import pytest

from driftpin.context.mcp_config import ConfigRefusal, read_mcp_config
from driftpin.context.mcp_servers import ListedServer

NESTED = b'{"a": %s%s}'


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        pytest.param(b'{\n "a": secret}', ConfigRefusal("json_syntax", 2, 7), id="d1"),
        pytest.param(b"", ConfigRefusal("json_syntax", 1, 1), id="d1-empty"),
        pytest.param(b'{"a": NaN}', ConfigRefusal("json_syntax"), id="d1-nan"),
        pytest.param(b"{\n// x\n}", ConfigRefusal("json_syntax", 2, 1), id="d2-comment"),
        pytest.param(b'{"a": 1,}', ConfigRefusal("json_syntax", 1, 9), id="d2-comma"),
        pytest.param(b'{"mcpServers": []}', ConfigRefusal("wrong_type"), id="d3"),
        pytest.param(b"[]", ConfigRefusal("wrong_type"), id="d3-list"),
        pytest.param(
            b'{"mcpServers": {"a": {}, "a": {}}}', ConfigRefusal("duplicate_key"), id="d5"
        ),
        pytest.param(b"[" * 100_000, ConfigRefusal("too_deep"), id="deep"),
        pytest.param(NESTED % (b"[" * 63, b"]" * 63), (), id="as-deep-as-may-be"),
        pytest.param(NESTED % (b"[" * 64, b"]" * 64), ConfigRefusal("too_deep"), id="one-deeper"),
        pytest.param(b'{"a": "\xff"}', ConfigRefusal("not_utf8", 1), id="not-utf8"),
        pytest.param(b"{}", (), id="no-servers"),
        pytest.param(b'\xef\xbb\xbf{"mcpServers": {"a": {"args": ["[{"]}}}', ("a",), id="mark"),
        pytest.param(b'{"a": ' + b"9" * 5_000 + b"}", (), id="long-number"),
        pytest.param(b'{"a": "' + b"[" * 1_000 + b'"}', (), id="brackets-in-text"),
    ],
)
def test_d_listing_of_a_config(content: bytes, refusal: ConfigRefusal | tuple[str, ...]) -> None:
    read = read_mcp_config(content, "mcpServers")
    assert (read if isinstance(read, ConfigRefusal) else names(read)) == refusal


def test_d4_servers_stand_under_the_key_of_their_tool_and_a_bad_one_is_one_of_them() -> None:
    content = b'{"servers": {"a": 1, "b": {"command": "run"}}}'
    assert read_mcp_config(content, "mcpServers") == ()
    listed = read_mcp_config(content, "servers")
    assert not isinstance(listed, ConfigRefusal)
    assert [(server.name, server.reason) for server in listed] == [
        ("a", "server_not_object"),
        ("b", ""),
    ]


def names(servers: tuple[ListedServer, ...]) -> tuple[str, ...]:
    return tuple(server.name for server in servers)
