"""Rows D1 to D5 of the list of bad input: what can be said of an MCP config as a whole."""

import pytest

from driftpin.context.mcp_config import ConfigRefusal, check_mcp_config


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
        pytest.param(b'{"mcpServers": {"a": 1}}', ConfigRefusal("server_not_object"), id="d4"),
        pytest.param(
            b'{"mcpServers": {"a": {}, "a": {}}}', ConfigRefusal("duplicate_key"), id="d5"
        ),
        pytest.param(b"[" * 100_000, ConfigRefusal("too_deep"), id="deep"),
        pytest.param(b'{"a": "\xff"}', ConfigRefusal("not_utf8", 1), id="not-utf8"),
        pytest.param(b"{}", None, id="no-servers"),
        pytest.param(b'\xef\xbb\xbf{"mcpServers": {"a": {"args": ["[{"]}}}', None, id="mark"),
        pytest.param(b'{"a": ' + b"9" * 5_000 + b"}", None, id="long-number"),
        pytest.param(b'{"a": "' + b"[" * 1_000 + b'"}', None, id="brackets-in-text"),
    ],
)
def test_d_listing_of_a_config(content: bytes, refusal: ConfigRefusal | None) -> None:
    assert check_mcp_config(content, "mcpServers") == refusal


def test_servers_stand_under_the_key_of_their_tool() -> None:
    content = b'{"servers": {"a": 1}}'
    assert check_mcp_config(content, "mcpServers") is None
    assert check_mcp_config(content, "servers") == ConfigRefusal("server_not_object")
