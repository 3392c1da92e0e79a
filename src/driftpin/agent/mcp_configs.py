"""MCP configs and the servers that they list, as candidates.

A config is listed without a body: its bytes never leave the workspace. A server's launch is a blob;
its catalogue is what the agent knows of that very identity, or a hole (spec/context.md §1).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from driftpin.agent.candidate import BlobPlace, Candidate, refused_candidate
from driftpin.agent.judging import judge_mcp_config
from driftpin.agent.names import fitted, shown_name
from driftpin.agent.private_paths import MCP_CONFIG_KEYS
from driftpin.agent.reading import Refusal
from driftpin.agent.root_view import RootView
from driftpin.agent.roots import Root
from driftpin.agent.stat_cache import Purpose
from driftpin.context.launch import Launch
from driftpin.context.mcp_servers import ListedServer
from driftpin.context.resource import Catalogue, Kind, Resource, ServerBody, Status
from driftpin.identity import Digest, digest_of
from driftpin.limits import MCP_CONFIG_BYTES_MAX

SERVER_LABEL: Final = "mcp"


@dataclass(frozen=True, slots=True)
class KnownCatalogue:
    """What a server offered when it was last ready, with the bytes that it names."""

    catalogue: Catalogue
    blobs: Mapping[Digest, bytes] = field(repr=False)


# By source and identity: what another identity offered says nothing.
Catalogues = Mapping[tuple[str, Digest], KnownCatalogue]


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A server with the config that lists it; of one name in several configs the first counts."""

    source: str
    config_source: str
    launch: Launch


def find_mcp_candidates(view: RootView, catalogues: Catalogues) -> Iterator[Candidate]:
    """Yield a candidate for every MCP config of the root, and for every server that it lists."""
    for path, servers_key in MCP_CONFIG_KEYS.items():
        source = view.root.source(path)
        found = view.look(path)
        view.watched.add(path.rpartition("/")[0])
        if isinstance(found, Refusal):
            yield refused_candidate(Kind.MCP_CONFIG, source, found)
        elif found is not None:
            judge = judge_mcp_config(servers_key)
            reading = view.read(Purpose.MCP_CONFIG, path, found, MCP_CONFIG_BYTES_MAX, judge)
            resource = Resource(Kind.MCP_CONFIG, source, reading.status, reading.reason)
            yield Candidate(resource, size_bytes=reading.size_bytes, warnings=reading.findings)
            for server in reading.servers:
                yield _server(view.root, path, server, catalogues)


def source_of_server(name: str) -> str:
    """Return the source under which a server is listed."""
    return f"{SERVER_LABEL}:{shown_name(name) or '(no name)'}"


def _server(root: Root, path: str, server: ListedServer, catalogues: Catalogues) -> Candidate:
    source = source_of_server(server.name)
    config_source = root.source(path)
    if server.launch is None:
        refusal = Refusal(Status.INVALID, server.reason)
        refused = refused_candidate(Kind.MCP_SERVER, fitted(source), refusal)
        return Candidate(refused.resource, config_source=config_source)
    launch = server.launch.blob
    identity = digest_of(launch)
    known = catalogues.get((source, identity))
    body = ServerBody(identity, known.catalogue if known else None)
    contents = {identity: launch, **(known.blobs if known else {})}
    return Candidate(
        Resource(Kind.MCP_SERVER, source, Status.OK, body=body),
        size_bytes=sum(map(len, contents.values())),
        blobs=tuple(
            BlobPlace(root, path, digest, len(content), held=content)
            for digest, content in contents.items()
        ),
        config_source=config_source,
        launch=server.launch,
    )


__all__ = [
    "SERVER_LABEL",
    "Catalogues",
    "FoundServer",
    "KnownCatalogue",
    "find_mcp_candidates",
    "source_of_server",
]
