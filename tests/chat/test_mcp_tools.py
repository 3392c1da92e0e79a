"""Tools of pinned servers as models are offered them: valid names, clean texts, the pin alone."""

import re
from typing import Any

import pytest

from driftpin.chat.mcp_tools import McpTool, blobs_for_tools, mcp_tools, offered_name
from driftpin.chat.pinned import PinnedContext
from driftpin.context.resource import Catalogue, Kind, Resource, ServerBody, Status
from driftpin.context.tool_catalogue import read_catalogue
from driftpin.identity import Digest, digest_of

PROVIDER_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
IDENTITY = digest_of(b"launch")


def pinned(*, complete: bool = True, **servers: list[dict[str, Any]]) -> PinnedContext:
    """Return a pin with these servers; a name's `_` stands for a dot."""
    bodies: dict[Digest, bytes] = {}
    resources = []
    for name, tools in servers.items():
        read = read_catalogue(None, tools)
        bodies |= read.blobs
        body = ServerBody(IDENTITY, read.catalogue if complete else None)
        source = f"mcp:{name.replace('_', '.')}"
        resources.append(Resource(Kind.MCP_SERVER, source, Status.OK, body=body))
    digest = digest_of(b"")
    return PinnedContext(digest, digest, 1, tuple(resources), bodies)


def tool(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **fields}


def names(tools: tuple[McpTool, ...]) -> list[str]:
    return [each.offered.name for each in tools]


def test_tools_of_known_servers_are_offered_in_one_order_under_both_names() -> None:
    context = pinned(b=[tool("y"), tool("x")], a=[tool("z")])
    offered = mcp_tools(context)
    assert names(offered) == ["a__z", "b__x", "b__y"]
    assert [(each.source, each.name) for each in offered] == [
        ("mcp:a", "z"),
        ("mcp:b", "x"),
        ("mcp:b", "y"),
    ]
    assert set(blobs_for_tools(context.resources)) == set(context.bodies)
    assert offered[0].pinned.server == IDENTITY


def test_a_server_that_was_never_ready_offers_nothing() -> None:
    assert mcp_tools(pinned(complete=False, a=[tool("z")])) == ()
    empty = ServerBody(IDENTITY, Catalogue(None, ()))
    resource = Resource(Kind.MCP_SERVER, "mcp:a", Status.OK, body=empty)
    assert blobs_for_tools([resource]) == ()


@pytest.mark.parametrize(
    ("server", "name"),
    [("a.b", "c"), ("a", "b/c"), ("a", "x" * 128), ("s" * 64, "t"), ("a", "b.c")],
)
def test_names_are_valid_for_every_provider_and_do_not_depend_on_each_other(
    server: str, name: str
) -> None:
    offered = offered_name(server, name)
    assert PROVIDER_NAME.fullmatch(offered)
    assert offered == offered_name(server, name)
    assert offered != offered_name(server, name.replace("/", "_").replace(".", "_") + "_")


def test_names_that_would_be_one_get_different_marks() -> None:
    offered = mcp_tools(pinned(a=[tool("b.c"), tool("b/c"), tool("b_c")]))
    assert len(set(names(offered))) == 3
    assert "a__b_c" in names(offered)


def test_d27_a_name_that_is_taken_is_not_offered_twice() -> None:
    context = pinned(a=[tool("b"), tool("c")])
    assert names(mcp_tools(context, reserved={"a__b"})) == ["a__c"]
    made = offered_name("a", "x.y")
    imitated = made.removeprefix("a__")
    assert names(mcp_tools(pinned(a=[tool("x.y"), tool(imitated), tool("c")]))) == ["a__c"]


def test_d29_hidden_text_reaches_no_model() -> None:
    hidden = "\U000e0041\u200b"
    schema = {
        "type": "object",
        "properties": {"n": {"type": "string", "description": f"A{hidden} name."}},
    }
    (offered,) = mcp_tools(
        pinned(a=[tool("b", description=f"Reads{hidden}.<!-- no -->", inputSchema=schema)])
    )
    assert offered.offered.description == "Reads."
    assert offered.offered.parameters["properties"] == {
        "n": {"type": "string", "description": "A name."}
    }
    # Arguments are checked against what was pinned, whatever the model was shown.
    assert offered.schema == schema


def test_d29_a_tool_with_hidden_text_in_a_name_or_value_is_not_offered() -> None:
    in_key = {"type": "object", "properties": {"n\u200b": {"type": "string"}}}
    in_value = {"type": "object", "properties": {"n": {"enum": ["a\U000e0041"]}}}
    context = pinned(a=[tool("b", inputSchema=in_key), tool("c", inputSchema=in_value), tool("d")])
    assert names(mcp_tools(context)) == ["a__d"]


def test_a_title_stands_in_for_a_description_and_a_schema_says_object() -> None:
    (offered,) = mcp_tools(pinned(a=[tool("b", title="The b.", inputSchema={})]))
    assert offered.offered.description == "The b."
    assert offered.offered.parameters == {"type": "object"}
