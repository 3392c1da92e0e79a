"""The MCP servers of a workspace beside what was decided about them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from driftpin.context.manifest import resources_of
from driftpin.context.resource import ServerBody
from driftpin.identity import Actor, Digest, WorkspaceId
from driftpin.store.approval_values import DecidedServer
from driftpin.store.store import Store
from driftpin.wire.approvals import ServerShape

Observed = Mapping[str, Mapping[str, Any]]


async def show_servers(
    store: Store, actor: Actor, workspace_id: WorkspaceId
) -> tuple[ServerShape, ...]:
    """Return every server that the head lists, and every other one that was decided about."""
    agent, manifest, _ = await store.get_workspace_head(actor, workspace_id)
    decided = {
        each.decision.identity: each for each in await store.list_approvals(actor, workspace_id)
    }
    listed = dict(_listed(manifest))
    identities = {*listed.values(), *decided}
    launches = await store.read_blobs(actor, workspace_id, identities)
    observed = _observed(agent.observations if agent else None)
    shapes = [
        _shape(source, identity, launches.get(identity), observed, decided.get(identity))
        for source, identity in sorted(listed.items())
    ]
    shapes += [
        _shape(None, identity, launches.get(identity), observed, decided[identity])
        for identity in sorted(decided.keys() - set(listed.values()))
    ]
    return tuple(shapes)


def _listed(manifest: bytes | None) -> Iterator[tuple[str, Digest]]:
    for resource in resources_of(manifest) if manifest is not None else ():
        if isinstance(resource.body, ServerBody):
            yield resource.source, resource.body.identity


def _observed(observations: Mapping[str, Any] | None) -> Observed:
    """Return what the agent says of each server; an agent of its own making may say anything."""
    servers = (observations or {}).get("servers")
    listed = servers if isinstance(servers, list) else []
    return {
        str(server["source"]): server
        for server in listed
        if isinstance(server, dict) and "source" in server
    }


def _shape(
    source: str | None,
    identity: Digest,
    launch: bytes | None,
    observed: Observed,
    decided: DecidedServer | None,
) -> ServerShape:
    seen = observed.get(source or "", {})
    keyed_digest = _text(seen, "keyed_digest")
    return ServerShape(
        source=source,
        config_source=_text(seen, "config_source"),
        identity=identity,
        launch=None if launch is None else json.loads(launch),
        keyed_digest=keyed_digest,
        decision=_decision(source, keyed_digest, decided),
        allows_private=decided is not None and decided.decision.allows_private,
        state=_text(seen, "state"),
        reason=_text(seen, "reason"),
        detail=_text(seen, "detail"),
        decided_by=None if decided is None else decided.actor,
        decided_at=None if decided is None else decided.at,
    )


def _decision(source: str | None, keyed_digest: str | None, decided: DecidedServer | None) -> Any:
    if decided is None:
        return "pending"
    if not decided.decision.is_allowed:
        return "denied"
    is_other = source is not None and decided.decision.keyed_digest != keyed_digest
    return "pending" if is_other else "allowed"


def _text(seen: Mapping[str, Any], key: str) -> str | None:
    value = seen.get(key)
    return value if isinstance(value, str) and value else None


__all__ = ["show_servers"]
