"""MCP servers as a workspace lists them: launches, holes, known catalogues, shadows."""

import json

import pytest

from agent.workspace import Workspace
from driftpin.agent.mcp_configs import Catalogues, KnownCatalogue
from driftpin.agent.resolve import Resolution
from driftpin.context.resource import Catalogue, Kind, Resource, ServerBody, Status, ToolEntry
from driftpin.identity import Digest, digest_of

DEFINITION = b'{"name":"read"}'
OFFERED = KnownCatalogue(
    Catalogue(None, (ToolEntry("read", digest_of(DEFINITION)),)),
    {digest_of(DEFINITION): DEFINITION},
)


def config(**servers: object) -> str:
    return json.dumps({"mcpServers": servers})


def servers_of(resolution: Resolution) -> list[Resource]:
    return [each for each in resolution.snapshot.resources if each.kind is Kind.MCP_SERVER]


def test_a_server_is_listed_with_its_identity_and_a_hole(workspace: Workspace) -> None:
    workspace.write(".mcp.json", config(one={"command": "run", "env": {"TOKEN": "hunter2"}}))
    resolution = workspace.resolve()
    (server,) = servers_of(resolution)
    (found,) = resolution.servers
    assert server.source == found.source == "mcp:one"
    assert server.body == ServerBody(found.launch.identity, None)
    assert resolution.snapshot.has_holes
    contents = list(resolution.blobs.values())
    assert contents == [found.launch.blob]
    assert not any(b"hunter2" in content for content in contents)
    assert b"hunter2" not in resolution.snapshot.manifest
    assert "hunter2" not in repr(resolution)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        pytest.param(7, "server_not_object", id="d4"),
        pytest.param({"command": "a", "url": "https://h"}, "ambiguous_transport", id="d8"),
        pytest.param({}, "no_transport", id="d9"),
        pytest.param({"url": "file:///x"}, "url_scheme", id="d10"),
        pytest.param({"url": "https://u:hunter2@h/"}, "url_credentials", id="d11-url"),
        pytest.param({"command": "a", "args": ["--token=hunter2"]}, "literal_secret", id="d11"),
    ],
)
def test_d_a_bad_entry_is_listed_with_its_reason_and_leaves_no_byte(
    workspace: Workspace, entry: object, reason: str
) -> None:
    workspace.write(".mcp.json", config(bad=entry, good={"command": "run"}))
    resolution = workspace.resolve()
    listed = [(each.source, each.status, each.reason) for each in servers_of(resolution)]
    assert listed == [("mcp:bad", Status.INVALID, reason), ("mcp:good", Status.OK, "")]
    assert b"hunter2" not in resolution.snapshot.manifest
    assert [server.source for server in resolution.servers] == ["mcp:good"]


@pytest.mark.parametrize("name", ["a__b", "two words", "x" * 200, "", "new\nline", "mark\u200b"])
def test_d7_a_bad_name_is_listed_escaped(workspace: Workspace, name: str) -> None:
    workspace.write(".mcp.json", config(**{name: {"command": "run"}}))
    (server,) = servers_of(workspace.resolve())
    assert (server.status, server.reason) == (Status.INVALID, "bad_server_name")
    assert server.source.startswith("mcp:")
    assert server.source.isprintable()


def test_d6_of_one_name_in_two_configs_the_first_counts(workspace: Workspace) -> None:
    workspace.write(".mcp.json", config(one={"command": "first"}))
    workspace.write(".cursor/mcp.json", config(one={"command": "second"}))
    resolution = workspace.resolve()
    listed = [(each.source, each.status, each.reason) for each in servers_of(resolution)]
    assert listed == [
        ("mcp:one", Status.OK, ""),
        ("mcp:one@workspace:.cursor/mcp.json", Status.EXCLUDED, "shadowed"),
    ]
    assert [server.launch.command for server in resolution.servers] == ["first"]


def test_what_is_known_of_the_same_identity_fills_the_hole(workspace: Workspace) -> None:
    workspace.write(".mcp.json", config(one={"command": "run"}))
    known: dict[tuple[str, Digest], KnownCatalogue] = {}
    resolver = workspace.resolver(catalogues=lambda: dict(known))
    before = resolver.resolve()
    identity = before.servers[0].launch.identity
    known["mcp:one", identity] = OFFERED
    after = resolver.resolve()
    assert servers_of(after)[0].body == ServerBody(identity, OFFERED.catalogue)
    assert set(after.blobs.values()) == {before.servers[0].launch.blob, DEFINITION}
    assert not after.snapshot.has_holes
    workspace.write(".mcp.json", config(one={"command": "other"}))
    assert servers_of(resolver.resolve())[0].is_hole


def test_nothing_is_read_again_while_neither_files_nor_catalogues_change(
    workspace: Workspace,
) -> None:
    workspace.write(".mcp.json", config(one={"command": "run"}))
    known: Catalogues = {}
    resolver = workspace.resolver(catalogues=lambda: dict(known))
    first = resolver.resolve()
    again = resolver.resolve()
    assert again.snapshot is first.snapshot
    assert again.read_stats.files_read == 0
