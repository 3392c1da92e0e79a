"""What a directory brings within the scope of a lock, found by the agent's own resolver."""

from dataclasses import dataclass
from pathlib import Path

from driftpin.agent.mcp_configs import KnownCatalogue
from driftpin.agent.resolve import Resolution, Resolver
from driftpin.agent.roots import list_roots
from driftpin.cli import output
from driftpin.cli.places import find_home
from driftpin.cli.workspaces import scan_settings, source_file
from driftpin.context.lock import Lock, Scope, lock_of
from driftpin.context.resource import ServerBody
from driftpin.errors import Rejected
from driftpin.identity import Digest
from driftpin.settings import Settings


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a directory, and the part of it that a lock speaks of."""

    directory: Path
    resolution: Resolution
    lock: Lock

    def find_body(self, digest: Digest) -> bytes | None:
        """Return bytes that were found, where they can still be had."""
        return self.resolution.blobs.get(digest)


def find_context(
    directory: Path, settings: Settings, scope: Scope, locked: Lock | None = None
) -> Found:
    """Resolve a directory once.

    No MCP server is started: one of an identity that `locked` knows counts as offering what is
    locked, as it does for an agent while it is not ready. Raises Rejected (`incomplete_scan`)
    where a root cannot be looked at whole.
    """
    has_all = scope is Scope.USER
    roots = list_roots(
        directory,
        sources=source_file(directory, settings).list() if has_all else (),
        home=find_home() if has_all and settings.user_roots else None,
    )
    known = {} if locked is None else _catalogues_of(locked)
    with output.progress("Looking at the workspace …"):
        found = Resolver(roots, scan_settings(settings), catalogues=lambda: known).resolve()
    if found.observations.errors:
        told = ", ".join(found.observations.errors)
        raise Rejected(
            f"The directory could not be looked at whole: {told}.", code="incomplete_scan"
        )
    return Found(directory, found, lock_of(found.snapshot.resources, scope))


def _catalogues_of(lock: Lock) -> dict[tuple[str, Digest], KnownCatalogue]:
    return {
        (each.source, each.body.identity): KnownCatalogue(each.body.catalogue, {})
        for each in lock.resources
        if isinstance(each.body, ServerBody) and each.body.catalogue is not None
    }


__all__ = ["Found", "find_context"]
